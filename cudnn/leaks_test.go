//go:build cudnn && cgo && linux

package cudnn

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// nothingLeft fails the test if a handle was made and not freed, or not made.
func nothingLeft(t *testing.T, log string) {
	t.Helper()
	open, made := map[string]bool{}, 0
	for _, line := range lines(t, log) {
		switch handle := line[1:]; line[0] {
		case '+':
			open[handle] = true
			made++
		case '-':
			delete(open, handle)
		}
	}
	for handle := range open {
		t.Errorf("%s is left", handle)
	}
	if made < 10 {
		t.Errorf("only %d handles were made: the test proves nothing", made)
	}
}

// TestNoMemoryForAnotherScope makes a plan in a scope, for which the card has not enough memory. A
// backend that trains keeps the scratch memory that it had.
func TestNoMemoryForAnotherScope(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("FAKE_MEMORY", strconv.Itoa(96<<20))
	b := openFake(t, Options{})
	defer b.Close()
	n := newSmallNetwork(t, b)
	n.steps(3)
	before := b.memory
	free, _ := b.memoryInfo()
	scope := b.Scope()
	s := backend.Conv2DSpec{N: 64, H: 32, W: 32, In: 64, Out: 64, Window: tensor.Centered(3)}
	taken, err := scope.Parameters(tensor.Shape{int(free/4) - 1<<10})
	must(t, taken, err)
	if _, err := scope.Conv2D(s); !errors.Is(err, backend.ErrMemory) {
		t.Fatalf("error %v, want %v", err, backend.ErrMemory)
	}
	if now := b.memory; now.packed.bytes != before.packed.bytes || now.packed.at == 0 {
		t.Errorf("%d bytes of scratch memory at %d, want %d", now.packed.bytes, now.packed.at, before.packed.bytes)
	}
	n.steps(3)
	metrics, err := n.trained.Metrics(nil)
	if must(t, metrics, err); len(metrics) != 6 {
		t.Errorf("%d metrics of 6 steps", len(metrics))
	}
	if err := scope.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Conv2D(s); err != nil {
		t.Error(err)
	}
}

// TestNothingIsLeft opens and closes the backend 100 times, with a step in every tenth.
func TestNothingIsLeft(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	where := fakeLocations(t, compileFake(t))
	for i := range 100 {
		b, err := openAt(Options{Precision: Precisions()[i%3]}, where)
		if err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			newSmallNetwork(t, b).steps(3)
			newSmallNetwork(t, b.Scope().(*Backend)).steps(3)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatalf("a second Close: %v", err)
		}
	}
	nothingLeft(t, log)
}

// TestScopesLeaveNothing opens and closes 100 scopes of a backend that continues to train, with
// steps in every tenth.
func TestScopesLeaveNothing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	b := openFake(t, Options{})
	n := newSmallNetwork(t, b)
	n.steps(3)
	lines(t, log)
	for i := range 100 {
		scope := b.Scope().(*Backend)
		other := newSmallNetwork(t, scope)
		if i%10 == 0 {
			other.steps(3)
		}
		if err := scope.Close(); err != nil {
			t.Fatal(err)
		}
		nothingLeft(t, log)
	}
	n.steps(3)
	if n.trained.(*step).graph == nil {
		t.Error("the Close of a scope forgets the steps of others")
	}
	metrics, err := n.trained.Metrics(nil)
	if must(t, metrics, err); len(metrics) != 6 {
		t.Errorf("%d metrics of 6 steps", len(metrics))
	}
	left := b.Scope().(*Backend)
	newSmallNetwork(t, left).steps(3)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := left.Close(); err != nil {
		t.Errorf("Close of a scope after its backend: %v", err)
	}
}

// TestFailedOpenLeavesNothing lets each call of Open fail in turn.
func TestFailedOpenLeavesNothing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	where := fakeLocations(t, compileFake(t))
	for _, call := range []string{"cuStreamCreate", "nvrtcCreateProgram", "cuModuleLoadData", "cuModuleGetFunction", "cuMemAlloc_v2",
		"cublasCreate_v2", "cublasSetWorkspace_v2", "cublasSetMathMode", "cudnnCreate", "cudnnSetStream", "cuMemHostAlloc", "cuEventCreate"} {
		t.Setenv("FAKE_FAIL", call+":1:1")
		if _, err := openAt(Options{}, where); err == nil {
			t.Errorf("Open succeeds though %s fails", call)
		}
		os.Unsetenv("FAKE_FAIL")
	}
	nothingLeft(t, log)
}
