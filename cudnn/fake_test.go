//go:build cudnn && cgo && linux

package cudnn

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
)

var compiled struct {
	sync.Mutex
	dir    string
	failed error
}

func TestMain(m *testing.M) {
	if os.Getenv("LAMINA_CARD") == "" {
		warm.Store(true) // the fake libraries are never cold
	}
	code := m.Run()
	if compiled.dir != "" {
		os.RemoveAll(compiled.dir)
	}
	os.Exit(code)
}

// compileFake returns the library of testdata/fake.cpp, compiled with the options.
func compileFake(t testing.TB, options ...string) string {
	t.Helper()
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.dir == "" {
		dir, err := os.MkdirTemp("", "lamina-fake")
		if err != nil {
			t.Fatal(err)
		}
		compiled.dir = dir
	}
	if compiled.failed != nil {
		t.Fatal(compiled.failed)
	}
	library := filepath.Join(compiled.dir, "fake"+strings.Join(options, "")+".so")
	if _, err := os.Stat(library); err == nil {
		return library
	}
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++ to compile the fake libraries with")
	}
	args := append([]string{"-std=c++17", "-O1", "-ffp-contract=off", "-fno-strict-aliasing", "-shared", "-fPIC", "-Wl,-Bsymbolic",
		"-Wall", "-Wno-unknown-pragmas", "-Wno-sign-compare", "-Werror", "-o", library, "testdata/fake.cpp"}, options...)
	if out, err := exec.Command("g++", args...).CombinedOutput(); err != nil {
		compiled.failed = fmt.Errorf("g++: %w\n%s", err, out)
		t.Fatal(compiled.failed)
	}
	return library
}

// fakeLocations returns a folder where the fake stands for libraries of the given names; all four
// if there are none.
func fakeLocations(t testing.TB, library string, names ...string) []location {
	t.Helper()
	if len(names) == 0 {
		names = []string{"libcuda.so.1", "libnvrtc.so.12", "libcublas.so.12", "libcudnn.so.9"}
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(library, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return []location{{name: "$" + variable, dirs: []string{dir}}}
}

// openFake opens a backend on the fake libraries.
func openFake(t testing.TB, o Options) *Backend {
	t.Helper()
	b, err := openAt(o, fakeLocations(t, compileFake(t)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestConformance runs the suite of all backends through the real backend and its kernels, on the
// fake libraries. What they cannot show is how a card rounds and in which order cuDNN adds.
func TestConformance(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Run("fp32", func(t *testing.T) {
		backendtest.Run(t, shared(t, func(t testing.TB) *Backend { return openFake(t, Options{}) }), backendtest.Options{})
	})
	// What a convolution gives is rounded once more when the bias is added, with errors that are
	// alike in a channel.
	t.Run("bf16", func(t *testing.T) {
		backendtest.Run(t, shared(t, func(t testing.TB) *Backend { return openFake(t, Options{Precision: "bf16"}) }),
			backendtest.Options{Unit: 0x1p-8, Products: 2})
	})
	t.Run("tf32", func(t *testing.T) { // only products differ from fp32
		backendtest.RunConvolutions(t, shared(t, func(t testing.TB) *Backend {
			return openFake(t, Options{Precision: "tf32", Deterministic: true})
		}), cardOptions["tf32"])
	})
}

func TestGolden(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	backendtest.Golden(t, func(t *testing.T) backend.Backend { return openFake(t, Options{}) })
}
