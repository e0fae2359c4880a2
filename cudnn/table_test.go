//go:build cudnn && cgo && linux

package cudnn

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// TestAlgorithms looks at which algorithm is taken: of those that work and fit, the fastest, or the
// first that is deterministic; each is found once for a shape, and what was measured never again.
// Measuring searches twice.
func TestAlgorithms(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	const shape = " 2x5x4 3→7 3x3"
	const on = "cudnn/Fake 80, cuDNN 9.10.2, "
	const fast, fixed = "algorithm 1, math type 3, 1 MiB of workspace, 0.002 ms", "algorithm 2, math type 3, 1 MiB of workspace"
	// choices plans a convolution twice, and returns what was chosen and the number of searches for
	// it.
	choices := func(o Options) (table map[string]string, measured, guessed int) {
		t.Helper()
		b := openFake(t, o)
		defer b.Close()
		lines(t, log)
		for range 2 {
			conv, err := b.Conv2D(backend.Conv2DSpec{N: 2, H: 5, W: 4, In: 3, Out: 7, Window: tensor.Centered(3)})
			must(t, conv, err)
		}
		for _, line := range lines(t, log) {
			switch line {
			case "cudnnFindConvolutionForwardAlgorithmEx", "cudnnFindConvolutionBackwardDataAlgorithmEx", "cudnnFindConvolutionBackwardFilterAlgorithmEx":
				measured++
			case "cudnnGetConvolutionForwardAlgorithm_v7", "cudnnGetConvolutionBackwardDataAlgorithm_v7", "cudnnGetConvolutionBackwardFilterAlgorithm_v7":
				guessed++
			}
		}
		return b.ConvTable(), measured, guessed
	}
	all := func(on, words string) map[string]string {
		return map[string]string{on + "forward" + shape: words, on + "backward data" + shape: words, on + "backward filter" + shape: words}
	}
	one := func(words string) map[string]string {
		table := all(on+"fp32: ", fast)
		table[on+"fp32: forward"+shape] = words
		return table
	}
	file := filepath.Join(cache, "lamina", "convolutions-cudnn.json")
	for _, c := range []struct {
		name              string
		options           Options
		version           string
		want              map[string]string
		measured, guessed int
	}{
		{"deterministic", Options{Deterministic: true}, "", all(on+"fp32: ", fixed), 0, 3},
		{"measured", Options{}, "", all(on+"fp32: ", fast), 3, 0},
		{"measured before", Options{}, "", all(on+"fp32: ", fast), 0, 0},
		{"of the run", Options{Table: one(fixed)}, "", one(fixed), 0, 0},
		{"too large", Options{Table: one("algorithm 3, math type 3")}, "", one(fast), 1, 0},
		{"unknown", Options{Table: one("algorithm 0, math type 3")}, "", one(fast), 1, 0},
		{"failing", Options{Table: one("algorithm 4, math type 3")}, "", one(fast), 1, 0},
		{"nonsense", Options{Table: one("f4")}, "", one(fast), 1, 0},
		{"deterministic all the same", Options{Deterministic: true, Table: one(fast)}, "", all(on+"fp32: ", fixed), 0, 3},
		{"another type", Options{Precision: "tf32"}, "", all(on+"tf32: ", "algorithm 1, math type 1, 1 MiB of workspace, 0.002 ms"), 3, 0},
		{"another version", Options{}, "90501", all("cudnn/Fake 80, cuDNN 9.5.1, fp32: ", fast), 3, 0},
		{"the first again", Options{}, "", all(on+"fp32: ", fast), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.version != "" {
				t.Setenv("FAKE_CUDNN", c.version)
			}
			table, measured, guessed := choices(c.options)
			if !maps.Equal(table, c.want) {
				t.Errorf("chosen %q, want %q", table, c.want)
			}
			if measured != 2*c.measured || guessed != c.guessed {
				t.Errorf("passes were measured %d times and %d guessed, want %d and %d", measured, guessed, 2*c.measured, c.guessed)
			}
			if _, err := os.Stat(file); c.name == "deterministic" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("guesses are kept (%v)", err)
			}
		})
	}
	for _, spoilt := range []string{"spoilt", "null", ""} {
		if err := os.WriteFile(file, []byte(spoilt), 0o644); err != nil {
			t.Fatal(err)
		}
		if table, measured, _ := choices(Options{}); measured != 2*3 || !maps.Equal(table, readTable()) {
			t.Errorf("after the file was %q passes are measured %d times, and it has %q", spoilt, measured, slices.Sorted(maps.Keys(readTable())))
		}
	}
}
