package device

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/ops"
)

func cacheFolder(t *testing.T, dir string) {
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} { // by system
		t.Setenv(name, dir)
	}
}

// What was measured is used, but not against the algorithms that a run began with.
func TestTuned(t *testing.T) {
	cacheFolder(t, t.TempDir())
	if table, err := ReadTuned(ops.Generic); table != nil || err != nil {
		t.Fatalf("before: %v, %v", table, err)
	}
	const name = "forward 8x8x8 64→64"
	const card = "cudnn/NVIDIA H200, cuDNN 9.10.2, bf16: " + name
	best, err := ops.Best()
	if err != nil {
		t.Fatal(err)
	}
	path, err := WriteTuned(best, cpu.ConvTable{name: "f2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		o      Options
		stored map[string]string
		want   string
	}{
		{Defaults(), nil, "f2"},
		{Defaults(), map[string]string{name: "im2col"}, "im2col"},
		{Defaults(), map[string]string{}, ""},
		{Defaults(), map[string]string{card: "algorithm 1, math type 3"}, "f2"},
		{Defaults(), map[string]string{card: "algorithm 1, math type 3", name: "im2col"}, "im2col"},
		{Options{Backend: "auto", Precision: "fp32", ConvAlgo: "im2col"}, nil, ""},
	} {
		b, err := test.o.Open(test.stored)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if got := Convolutions(b)[name]; got != test.want {
			t.Errorf("%+v, stored %v: %q, want %q", test.o, test.stored, got, test.want)
		}
	}

	if err := CheckTuned(best); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ text, err string }{
		{strings.Replace(string(text), `"cpu": "`, `"cpu": "another `, 1), ""},
		{string(text[:len(text)/2]), "delete it"},
		{"[1]", "it is a JSON array, which is not expected there: delete it"},
		{`{"cpu": 1}`, `"cpu" is a JSON number`},
		{strings.Replace(string(text), `"f2"`, `"f9"`, 1), "delete it"},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		table, err := ReadTuned(best)
		if table != nil || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, %v", test.text, table, err)
		}
	}
}

// Measuring one batch keeps the results of others, but not a damaged file or another processor's.
func TestTunedAgain(t *testing.T) {
	cacheFolder(t, t.TempDir())
	const one, two = "forward 1x8x8 64→64", "forward 2x8x8 64→64"
	write := func(table cpu.ConvTable) (path string) {
		path, err := WriteTuned(ops.Generic, table)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := write(cpu.ConvTable{one: "f2", two: "f4"})
	write(cpu.ConvTable{two: "im2col"})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		stored string
		want   cpu.ConvTable
	}{
		{string(text), cpu.ConvTable{one: "f2", two: "im2col"}},
		{strings.Replace(string(text), `"cpu": "`, `"cpu": "another `, 1), cpu.ConvTable{two: "im2col"}},
		{string(text[:len(text)/2]), cpu.ConvTable{two: "im2col"}},
	} {
		if err := os.WriteFile(path, []byte(test.stored), 0o644); err != nil {
			t.Fatal(err)
		}
		write(cpu.ConvTable{two: "im2col"})
		if got, err := ReadTuned(ops.Generic); err != nil || !maps.Equal(got, test.want) {
			t.Errorf("over %s: %v, %v, want %v", test.stored, got, err, test.want)
		}
	}
}

// An unwritable cache folder is reported before anything is measured.
func TestTunedNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cacheFolder(t, file)
	if err := CheckTuned(ops.Generic); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "cache folder") {
		t.Errorf("error %v, want one that names the cache folder %s", err, file)
	}
	if table, err := ReadTuned(ops.Generic); table != nil || err != nil {
		t.Errorf("an unreadable folder: %v, %v", table, err)
	}
}
