package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
)

func TestParse(t *testing.T) {
	for _, test := range []struct{ args, err string }{
		{"", ""},
		{"conv --threads 1", ""},
		{"gemm networks --models vgg11,vgg16c --batch 32 --runs 1", ""},
		{"step --models vgg13", ""},
		{"tune --runs 1", ""},
		{"winograd", `no table "winograd"`},
		{"--models vgg12", `--models "vgg12": want one of vgg11,`},
		{"--models=", "--models"},
		{"--batch 0", "must be at least 1"},
		{"--batch 1000000000", "at most 65536"},
		{"--threads 0", "must be at least 1"},
		{"--threads 1000000", "at most"},
		{"--runs -1", "must be at least 1"},
		{"--speed", "unknown flag"},
	} {
		_, err := new(options).program().Parse(strings.Fields(test.args))
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("bench %s: error %v, want %q", test.args, err, test.err)
		}
	}
}

// The table step is long: it is of one network where none is named.
func TestStepModels(t *testing.T) {
	for _, test := range []struct{ args, models string }{
		{"step", "vgg19"},
		{"step --models vgg11,vgg13", "vgg11,vgg13"},
	} {
		o := new(options)
		if _, err := o.program().Parse(strings.Fields(test.args)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(o.stepModels, ","); got != test.models {
			t.Errorf("bench %s: networks %s, want %s", test.args, got, test.models)
		}
	}
}

func TestPeerCommandsNoPython(t *testing.T) {
	_, err := peerCommands(t.TempDir(), ops.Generic, []string{"no-such-python"})
	if err == nil || !strings.Contains(err.Error(), "--peers no-such-python") {
		t.Errorf("error %v does not name the flag", err)
	}
}

// A program that fails is told of in one line.
func TestPeerFails(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell")
	}
	c := &contender{command: []string{"sh", "-c", `echo Traceback >&2; echo ValueError >&2; exit 1`}}
	if err := c.turn(new(options)); err == nil || !strings.HasSuffix(err.Error(), "exit status 1: ValueError") {
		t.Errorf("error %v, want one that ends with the last line", err)
	}
}

// The operations of a convolution are counted as its definition does them.
func TestFlop(t *testing.T) {
	for _, kernel := range []int{1, 3} {
		for h := 1; h <= 4; h++ {
			for w := 1; w <= 4; w++ {
				s := backend.Conv2DSpec{N: 2, H: h, W: w, In: 3, Out: 5, Kernel: kernel}
				want := 0
				for pixel := range h * w {
					for tap := range kernel * kernel {
						row, column := pixel/w+tap/kernel-kernel/2, pixel%w+tap%kernel-kernel/2
						if row >= 0 && row < h && column >= 0 && column < w {
							want += 2 * s.N * s.In * s.Out
						}
					}
				}
				if got := flop(s); got != float64(want) {
					t.Errorf("flop(%+v) = %v, want %v", s, got, want)
				}
			}
		}
	}
}

// Where the choices cannot be stored nothing is measured.
func TestTuneNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} { // by system
		t.Setenv(name, file)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer func(was *os.File) { os.Stdout = was }(os.Stdout)
	os.Stdout = out
	err = tune(ops.Generic, &options{batch: 1, threads: 1, runs: 1})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v does not name %s", err, file)
	}
	if text, _ := os.ReadFile(out.Name()); len(text) > 0 {
		t.Errorf("it came after\n%s", text)
	}
}
