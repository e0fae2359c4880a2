package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

func TestPeersNoPython(t *testing.T) {
	_, err := findPeers(t.TempDir(), ops.Generic, []string{"no-such-python"})
	if err == nil || !strings.Contains(err.Error(), "--peers no-such-python") {
		t.Errorf("error %v does not name the flag", err)
	}
}

// A program that fails is reported in one line.
func TestPeerFails(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell")
	}
	c := &contender{command: []string{"sh", "-c", `echo Traceback >&2; echo ValueError >&2; exit 1`}}
	if err := c.turn(new(Options)); err == nil || !strings.HasSuffix(err.Error(), "exit status 1: ValueError") {
		t.Errorf("error %v, want one that ends with the last line", err)
	}
}

// The operations of a convolution are those of its definition.
func TestFlop(t *testing.T) {
	for kernel := 1; kernel <= 4; kernel++ {
		for stride := 1; stride <= 3; stride++ {
			for size := range 25 {
				s := backend.Conv2DSpec{N: 2, H: size/5 + 4, W: size%5 + 4, In: 3, Out: 5}
				s.Window = tensor.Square(kernel, stride)
				if size%2 == 0 {
					s.Window = s.Window.Same(s.H, s.W)
				}
				h, w := s.Window.Output(s.H, s.W)
				want := 0
				for pixel := range h * w {
					for tap := range kernel * kernel {
						row, column := pixel/w*stride+tap/kernel-s.Window.Top, pixel%w*stride+tap%kernel-s.Window.Left
						if row >= 0 && row < s.H && column >= 0 && column < s.W {
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

// Nothing is measured if the result cannot be stored.
func TestTuneNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} { // by system
		t.Setenv(name, file)
	}
	var out strings.Builder
	err := Tune(&Options{Batch: 1, Threads: 1, Runs: 1}, &out)
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v does not name %s", err, file)
	}
	if out.Len() > 0 {
		t.Errorf("it came after\n%s", &out)
	}
}

// A peer that prints something else is reported in the words of JSON.
func TestPeerOfAnotherKind(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	for printed, want := range map[string]string{"[1]": "it is a JSON array", `{"peak_rss_mb": "much"}`: `"peak_rss_mb" is a JSON string`, "no JSON": "not valid JSON"} {
		c := contender{command: []string{"sh", "-c", "echo '" + printed + "'"}}
		if err := c.turn(new(Options)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "unmarshal") {
			t.Errorf("%s: error %v, want %s", printed, err, want)
		}
	}
}

// A table is the same as text and as Markdown.
func TestTable(t *testing.T) {
	for markdown, want := range map[bool]string{
		false: "\nTitle\n(a remark\nof two lines)\nname      rate  peak\nfirst      1.5  50 %\nsecond\n",
		true:  "\n### Title\n\na remark of two lines\n\n| name | rate | peak |\n| :-- | --: | --: |\n| first | 1.5 | 50 % |\n| second |  |  |\n",
	} {
		var b strings.Builder
		out := &output{&b, markdown}
		out.title("Title", "a remark\nof two lines")
		table := out.table(text("name", 6), number("rate", 6), number("peak", 2))
		table.row("first", " 1.5", "50 %")
		table.row("second", "", "")
		if got := b.String(); got != want {
			t.Errorf("markdown %t:\n%q\nwant\n%q", markdown, got, want)
		}
	}
}

func TestMachine(t *testing.T) {
	var b strings.Builder
	o := &Options{Threads: 2, Command: "lamina bench gemm"}
	printMachine(&output{&b, true}, ops.Generic, o)
	for _, words := range []string{"| machine |", "| ISA level | generic |", "| date | 20", "| version | ", "| Go | go", "| command | `lamina bench gemm` |"} {
		if !strings.Contains(b.String(), words) {
			t.Errorf("%q is not in\n%s", words, b.String())
		}
	}
}
