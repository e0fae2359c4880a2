//go:build cudnn && cgo && linux

package cudnn

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestCompiledKernelsAreKept compiles once, and again when what was kept is damaged.
func TestCompiledKernelsAreKept(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	compiles := func(o Options) bool {
		openFake(t, o).Close()
		return slices.Contains(lines(t, log), "nvrtcCompileProgram")
	}
	if !compiles(Options{}) || compiles(Options{}) {
		t.Error("float32: want one compilation")
	}
	if !compiles(Options{Precision: "bf16"}) || compiles(Options{Precision: "bf16"}) {
		t.Error("bf16: want one compilation")
	}
	kept, err := filepath.Glob(filepath.Join(cache, "lamina", "kernels-*.bin"))
	if err != nil || len(kept) != 2 {
		t.Fatalf("kept %q", kept)
	}
	for _, file := range kept {
		if err := os.WriteFile(file, []byte("spoilt"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !compiles(Options{}) || compiles(Options{}) {
		t.Error("spoilt: want one compilation")
	}
}
