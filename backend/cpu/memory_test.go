package cpu

import (
	"errors"
	"math"
	"strings"
	"testing"
	"unsafe"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// open returns a backend that is closed at the end of the test.
func open(t testing.TB, o Options) *Backend {
	t.Helper()
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		options Options
		err     string
	}{
		{Options{Threads: -1}, "cpu: -1 threads: want 1 or more, or 0 for all cores"},
		{Options{Level: ops.AMX + 1}, "cpu: this machine or build has no kernels of level 7"},
	} {
		if b, err := Open(test.options); err == nil {
			b.Close()
			t.Errorf("Open(%+v) gave no error", test.options)
		} else if err.Error() != test.err {
			t.Errorf("Open(%+v): error %q, want %q", test.options, err, test.err)
		}
	}
}

func TestActivationsAreStoredByPosition(t *testing.T) {
	b := open(t, Options{})
	const n, h, w, c = 3, 2, 4, 5
	x := must(b.Activations(tensor.Shape{n, h, w, c}))
	src := make([]float32, n*h*w*c)
	for i := range src {
		src[i] = float32(i)
	}
	if err := b.Write(x, src); err != nil {
		t.Fatal(err)
	}
	for i, v := range src {
		in, ih, iw, ic := i/(h*w*c), i/(w*c)%h, i/c%w, i%c
		if got := own(x).f32[((ih*w+iw)*n+in)*c+ic]; got != v {
			t.Fatalf("element (%d, %d, %d, %d) is %g, want %g", in, ih, iw, ic, got, v)
		}
	}
	got := make([]float32, len(src))
	if err := b.Read(got, x); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i] != src[i] {
			t.Fatalf("read back element %d: %g, want %g", i, got[i], src[i])
		}
	}
}

func TestViewsShareMemory(t *testing.T) {
	b := open(t, Options{})
	p := must(b.Parameters(tensor.Shape{10}))
	v := b.View(p, 4, tensor.Shape{2, 3})
	if err := b.Write(v, []float32{1, 2, 3, 4, 5, 6}); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 10)
	if err := b.Read(got, p); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{0, 0, 0, 0, 1, 2, 3, 4, 5, 6} {
		if got[i] != want {
			t.Errorf("element %d is %g, want %g", i, got[i], want)
		}
	}

	x := must(b.Activations(tensor.Shape{2, 3}))
	for name, f := range map[string]func(){
		"too long":              func() { b.View(p, 5, tensor.Shape{2, 3}) },
		"negative offset":       func() { b.View(p, -1, tensor.Shape{1}) },
		"offset beyond the end": func() { b.View(p, 11, tensor.Shape{0}) },
		"offset in activations": func() { b.View(x, 1, tensor.Shape{1, 3}) },
		"activations of rank 1": func() { b.View(x, 0, tensor.Shape{6}) },
		"short write":           func() { _ = b.Write(p, make([]float32, 9)) },
		"long read":             func() { _ = b.Read(make([]float32, 11), p) },
		"rank of activations":   func() { _, _ = b.Activations(tensor.Shape{1, 2, 3}) },
	} {
		if !panics(f) {
			t.Errorf("%s: no panic", name)
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

func TestMemoryIsZeroAlignedAndApart(t *testing.T) {
	b := open(t, Options{})
	var pieces [][]float32
	for _, n := range []int{1, 15, 16, 17, chunkSize / 4, 3, chunkSize/4 + 1, 0, 5} {
		x := must(b.floats(n))
		if len(x) != n || n > 0 && uintptr(unsafe.Pointer(&x[0]))%lineSize != 0 {
			t.Fatalf("piece of %d: %d floats, or not aligned", n, len(x))
		}
		for i, v := range x {
			if v != 0 {
				t.Fatalf("piece of %d: element %d is %g", n, i, v)
			}
		}
		for i := range x {
			x[i] = float32(n)
		}
		pieces = append(pieces, x)
	}
	for _, x := range pieces {
		for i, v := range x {
			if v != float32(len(x)) {
				t.Fatalf("piece of %d: element %d was overwritten by %g", len(x), i, v)
			}
		}
	}
	if _, err := b.floats(math.MaxInt / 8); err == nil {
		t.Error("more memory than there can be: no error")
	}
}

// Allocating more than the system has is an error, whatever allocates.
func TestMemoryThatThereIsNot(t *testing.T) {
	b := open(t, Options{Threads: 2})
	b.limit = 4 << 20
	must(b.floats(1 << 18)) // 1 MiB
	if err := b.reserve(1 << 18); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"tensor":         func() error { _, err := b.Parameters(tensor.Shape{1 << 19}); return err },
		"scratch":        func() error { return b.reserve(1 << 19) },
		"common scratch": func() error { return b.reserveCommon(1 << 19) },
	} {
		err := ask()
		if !errors.Is(err, backend.ErrMemory) || !strings.Contains(err.Error(), "not enough memory: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.reserve(1 << 18); err != nil {
		t.Errorf("what is there already: %v", err)
	}
}

func TestScratchOfWorkers(t *testing.T) {
	b := open(t, Options{Threads: 3})
	for _, n := range []int{100, 40, 1000} {
		if err := b.reserve(n); err != nil {
			t.Fatal(err)
		}
		for w := range 3 {
			s := b.scratch(w)
			if len(s) < n || uintptr(unsafe.Pointer(&s[0]))%lineSize != 0 {
				t.Errorf("worker %d: %d floats, or not aligned", w, len(s))
			}
			for i := range s {
				s[i] = float32(w)
			}
		}
		for w := range 3 {
			for _, v := range b.scratch(w) {
				if v != float32(w) {
					t.Fatalf("scratch of worker %d overwritten by %g", w, v)
				}
			}
		}
	}
}

func TestRunKeepsMetrics(t *testing.T) {
	b := open(t, Options{})
	step := b.Record(func() { b.current.Images += int(b.values.Step) + 1 })
	for i := range 3 {
		if err := step.Run(backend.StepValues{Step: uint64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]int{{1, 2, 3}, nil} {
		got := must(step.Metrics(nil))
		if len(got) != len(want) {
			t.Fatalf("%d metrics, want %d", len(got), len(want))
		}
		for i, m := range got {
			if m.Images != want[i] {
				t.Errorf("run %d: %d images, want %d", i, m.Images, want[i])
			}
		}
	}
	if n := testing.AllocsPerRun(backend.MaxPending/2, func() { _ = step.Run(backend.StepValues{}) }); n != 0 {
		t.Errorf("%g allocations a run", n)
	}
}
