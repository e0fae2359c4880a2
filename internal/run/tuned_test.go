package run_test

import (
	"path/filepath"
	"testing"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/ops"
)

// A resumed run keeps its algorithms, whatever lamina tune has stored since.
func TestSameBitsAfterTuning(t *testing.T) {
	clitest.Once(t)
	folder := t.TempDir()
	var env []string
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} { // by system
		t.Setenv(name, folder)
		env = append(env, name+"="+folder)
	}
	train := func(args ...string) {
		c := clitest.Command(t, args...)
		c.Env = append(c.Env, env...)
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	level, err := ops.Best()
	if err != nil {
		t.Fatal(err)
	}
	tuned := func(algorithm string) {
		if _, err := device.WriteTuned(level, cpu.ConvTable{"forward 2x16x16 64→128": algorithm}); err != nil {
			t.Fatal(err)
		}
	}
	tuned("f4")
	alone := filepath.Join(t.TempDir(), "alone")
	train(small(alone)...)
	want := read(t, alone)

	dir := filepath.Join(t.TempDir(), "run")
	train(small(dir, "--epochs", "1")...)
	tuned("im2col")
	train("--resume", dir, "--epochs", "2")
	same(t, dir, want)

	other := filepath.Join(t.TempDir(), "other")
	train(small(other)...)
	if read(t, other).Weights == want.Weights {
		t.Error("stored algorithms make no difference to a new run")
	}
}
