//go:build cudnn && cgo && linux

package cudnn

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"unsafe"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/cudnn/emulator"
	"github.com/lamina-go/lamina/tensor"
)

// These tests run the kernels on the CPU, by the emulator, and compare them with the reference in
// float64. The emulator changes the order of threads and blocks from launch to launch.

// precision is one of the two types of activations.
type precision struct {
	suffix string
	vector int     // VEC
	unit   float64 // relative rounding error of what is stored
}

var precisions = []precision{{"_f32", 4, 0x1p-24}, {"_bf16", 8, 0x1p-8}}

var emulated = sync.OnceValues(func() (*emulator.Library, error) {
	dir, err := os.MkdirTemp("", "lamina-kernels")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	library := filepath.Join(dir, "emulator.so")
	if err := emulator.Compile(library, "testdata"); err != nil {
		return nil, err
	}
	return emulator.Open(library)
})

// machine is the emulator, and what the kernels of one stream share.
type machine struct {
	*testing.T
	precision
	library         *emulator.Library
	multiprocessors int
	counters        []uint32
}

// each runs a test in both precisions, on cards of few and of more multiprocessors.
func each(t *testing.T, f func(m *machine)) {
	if _, err := exec.LookPath("g++"); err != nil {
		t.Skip("no g++: the kernels are not tested on the CPU")
	}
	library, err := emulated()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range precisions {
		for _, n := range []int{1, 7} {
			t.Run(p.suffix[1:]+"_"+map[int]string{1: "small", 7: "large"}[n], func(t *testing.T) {
				f(&machine{t, p, library, n, make([]uint32, 1024)})
			})
		}
	}
}

// launch runs a kernel and checks that it left the counters zero.
func (m *machine) launch(name string, g geometry, args ...any) {
	m.Helper()
	for i, arg := range args {
		switch v := arg.(type) {
		case *activations:
			args[i] = v.arg()
		case *floats:
			if args[i] = nil; v != nil {
				args[i] = v.values
			}
		case int:
			args[i] = int32(v)
		case bool:
			args[i] = int32(0)
			if v {
				args[i] = int32(1)
			}
		}
	}
	if err := m.library.Launch(name+m.suffix, g.grid, g.block, args...); err != nil {
		m.Fatal(err)
	}
	for _, c := range m.counters {
		if c != 0 {
			m.Fatalf("%s left a counter at %d", name, c)
		}
	}
}

// elements is the geometry for n elements; on the small card, two blocks, which must take all.
func (m *machine) elements(n int) geometry {
	g := elements(int64(n), m.vector, m.multiprocessors)
	if m.multiprocessors == 1 {
		g.grid[0] = min(g.grid[0], 2)
	}
	return g
}

func (m *machine) columns(rows, channels int, sums bool) geometry {
	return columns(int64(rows), channels, m.vector, m.multiprocessors, sums)
}

// partials returns scratch memory for the sums of a geometry, filled with values that must not be
// read.
func (m *machine) partials(g geometry, channels int) *floats {
	return m.floats(fill(2*channels*int(g.grid[1]), float32(math.NaN())))
}

func fill(n int, v float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = v
	}
	return x
}

// guard is the number of elements on both sides of a buffer that must keep their value, guardValue.
const (
	guard      = 32
	guardValue = -1234.5 // the bits of a half float are not these
)

// place returns n elements of a new slice whose first lies at a multiple of 16 bytes and offset
// elements more.
func place[T any](n, offset int) []T {
	size := int(unsafe.Sizeof(*new(T)))
	all := make([]T, n+offset+16/size)
	for uintptr(unsafe.Pointer(&all[0]))%16 != 0 {
		all = all[1:]
	}
	return all[offset:][:n:n]
}

// floats are parameters, between guards.
type floats struct {
	values []float32
	all    []float32
}

// floats makes a buffer that holds x, at a multiple of 16 bytes.
func (m *machine) floats(x []float32) *floats { return m.floatsAt(x, 0) }

// floatsAt makes one that begins offset elements after a multiple of 16 bytes.
func (m *machine) floatsAt(x []float32, offset int) *floats {
	all := place[float32](len(x)+2*guard, offset)
	for i := range all {
		all[i] = guardValue
	}
	copy(all[guard:], x)
	f := &floats{all[guard:][:len(x):len(x)], all}
	m.Cleanup(func() { checkGuards(m.T, func(i int) bool { return all[i] == guardValue }, len(x)) })
	return f
}

func checkGuards(t *testing.T, kept func(i int) bool, n int) {
	for i := range guard {
		if !kept(i) || !kept(guard+n+i) {
			t.Fatalf("a kernel wrote beside a buffer of %d elements", n)
		}
	}
}

// activations are activations in one of the precisions, between guards.
type activations struct {
	f32  []float32
	bf16 []uint16
}

func (a *activations) arg() any {
	if a.bf16 != nil {
		return a.bf16
	}
	return a.f32
}

// from returns those from element i on.
func (a *activations) from(i int) *activations {
	if a.bf16 != nil {
		return &activations{bf16: a.bf16[i:]}
	}
	return &activations{f32: a.f32[i:]}
}

func (a *activations) read() []float32 {
	x := make([]float32, len(a.f32)+len(a.bf16))
	copy(x, a.f32)
	for i, v := range a.bf16 {
		x[i] = math.Float32frombits(uint32(v) << 16)
	}
	return x
}

// activations makes a buffer that holds x, rounded.
func (m *machine) activations(x []float32) *activations {
	if m.suffix == "_f32" {
		return &activations{f32: m.floats(x).values}
	}
	const kept = 0xabcd
	all := place[uint16](len(x)+2*guard, 0)
	for i := range all {
		all[i] = kept
	}
	a := &activations{bf16: all[guard:][:len(x):len(x)]}
	for i, v := range x {
		a.bf16[i] = roundedBF16(v)
	}
	m.Cleanup(func() { checkGuards(m.T, func(i int) bool { return all[i] == kept }, len(x)) })
	return a
}

// roundedBF16 rounds by arithmetic: to the nearest multiple of the unit in the last place, of two
// to the even one.
func roundedBF16(x float32) uint16 {
	f := float64(x)
	if f != f {
		return 0x7fc0
	}
	_, exponent := math.Frexp(f)
	ulp := math.Ldexp(1, max(exponent-8, -133))
	r := math.Copysign(math.RoundToEven(f/ulp)*ulp, f)
	return uint16(math.Float32bits(float32(r)) >> 16)
}

// rounded returns x as activations hold it.
func (m *machine) rounded(x []float32) []float32 { return m.activations(x).read() }

// near fails the test unless each element is within its tolerance, and the rounding of activations
// if stored.
func near(t *testing.T, what string, got, want []float32, tolerance func(i int) float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		if g == w || g != g && w != w {
			continue
		}
		if !(math.Abs(g-w) <= tolerance(i)) {
			t.Fatalf("%s: element %d is %g, want %g: off by %.3g, allowed %.3g", what, i, g, w, math.Abs(g-w), tolerance(i))
		}
	}
}

func exact(int) float64 { return 0 }

// reference is the backend with the right results.
type reference struct {
	t *testing.T
	backend.Backend
}

func newReference(t *testing.T) *reference { return &reference{t, backendtest.Reference()} }

func (r *reference) tensor(shape tensor.Shape, x []float32) tensor.Tensor {
	t, err := r.Parameters(shape)
	if err == nil && x != nil {
		err = r.Write(t, x)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

func (r *reference) read(t tensor.Tensor) []float32 {
	x := make([]float32, t.Shape().Size())
	if err := r.Read(x, t); err != nil {
		r.t.Fatal(err)
	}
	return x
}

// run runs f as a Step and returns what it measures.
func (r *reference) run(v backend.StepValues, f func()) backend.StepMetrics {
	step := r.Record(f)
	if err := step.Run(v); err != nil {
		r.t.Fatal(err)
	}
	measured, err := step.Metrics(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return measured[0]
}

// Every kernel of the source is one that the emulator knows.
func TestEmulatorHasAllKernels(t *testing.T) {
	found := regexp.MustCompile(`(?m)^KERNEL (\w+)\(`).FindAllStringSubmatch(kernelSource(), -1)
	if len(found) < 20 {
		t.Fatalf("only %d kernels found in the source", len(found))
	}
	table, err := os.ReadFile("testdata/emulator.cpp")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`BOTH\((\w+)\)`).FindAllStringSubmatch(string(table), -1) {
		listed[m[1]] = true
	}
	for _, m := range found {
		if !listed[m[1]] {
			t.Errorf("testdata/emulator.cpp does not list kernel %s", m[1])
		}
	}
}
