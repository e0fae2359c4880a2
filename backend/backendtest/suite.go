package backendtest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// Options state where a backend is less exact than the direct algorithm in float32. The zero value
// allows nothing.
type Options struct {
	// Unit is the relative rounding error of activations as they are stored and of the
	// inputs of products: 2⁻⁸ for bfloat16, 2⁻¹¹ for TF32, twice that if it truncates. Zero is float32
	// itself.
	Unit float64
	// Truncated is for inputs of products that are rounded towards zero. Such errors have one sign, so
	// they do not cancel in means and sums.
	Truncated bool
	// Products multiplies the tolerance of convolutions and dense layers, for
	// algorithms with fewer and less exact products. Zero means 1.
	Products float64
	// Winograd returns the minimal-filtering algorithm that computes a convolution, nil for the
	// direct algorithm. Its error is proportional to the size of all values that the transforms
	// mix, so it has one tolerance for a tensor; see Winograd. If the function is nil, all are
	// direct.
	Winograd func(backend.Conv2DSpec) *Winograd
	// Mixed is for unknown algorithms that compute an element from several sums and their
	// differences (Winograd). The error is proportional to the size of all of them, so the
	// tolerance of each element is at least that of the tensor's root mean square.
	Mixed bool
}

// Run is the suite that every backend passes. It compares each plan with Reference, over odd shapes
// and all those of the VGG networks, and a network of all plans. It opens and closes a backend for
// each case. With -short it skips the large shapes.
//
// To add a case, write a method of suite and list it here. device is the backend under test,
// reference the one to compare with, near and same compare, and run makes subtests.
func Run(t *testing.T, open func(t *testing.T) backend.Backend, o Options) {
	runSections(t, open, o, append(convolutions(), []section{
		{"Tensors", (*suite).tensors},
		{"Views", (*suite).views},
		{"Dense", (*suite).dense},
		{"BatchNorm", (*suite).batchNorm},
		{"ReLU", (*suite).relu},
		{"Functions", (*suite).functions},
		{"Softmax", (*suite).softmax},
		{"Add", (*suite).add},
		{"Concat", (*suite).concat},
		{"MaxPool", (*suite).maxPool},
		{"Pool", (*suite).pools},
		{"Pad", (*suite).pad},
		{"DepthwiseConv2D", (*suite).depthwise},
		{"Flatten", (*suite).flatten},
		{"Dropout", (*suite).dropout},
		{"SoftmaxLoss", (*suite).softmaxLoss},
		{"Losses", (*suite).losses},
		{"SGD", (*suite).sgd},
		{"AdamW", (*suite).adamW},
		{"Muon", (*suite).muon},
		{"InferenceBatch", (*suite).inferenceBatch},
		{"Metrics", (*suite).metrics},
		{"Scopes", (*suite).scopes},
		{"Dataset", (*suite).dataset},
		{"NaN", (*suite).nan},
		{"Panics", (*suite).panics},
	}...))
}

// RunConvolutions runs the cases of Run that depend on the algorithm of convolutions, for a backend
// that has several.
func RunConvolutions(t *testing.T, open func(t *testing.T) backend.Backend, o Options) {
	runSections(t, open, o, convolutions())
}

// section is a section of the suite.
type section struct {
	name string
	test func(*suite)
}

func convolutions() []section {
	return []section{
		{"Conv2D", (*suite).conv2D},
		{"Inference", (*suite).inference},
		{"FusedFunctions", (*suite).fusedFunctions},
		{"Network", (*suite).network},
	}
}

func runSections(t *testing.T, open func(t *testing.T) backend.Backend, o Options, sections []section) {
	if o.Products == 0 {
		o.Products = 1
	}
	for _, p := range sections {
		t.Run(p.name, func(t *testing.T) {
			p.test(&suite{t, o, open, rand.New(rand.NewPCG(1, 2))})
		})
	}
}

// suite is one section of Run.
type suite struct {
	*testing.T
	Options
	open func(*testing.T) backend.Backend
	rng  *rand.Rand
}

// run runs f as a subtest with a random stream of its own.
func (s *suite) run(name string, f func(*suite)) {
	seed := s.rng.Uint64()
	s.T.Run(name, func(t *testing.T) {
		f(&suite{t, s.Options, s.open, rand.New(rand.NewPCG(seed, 0))})
	})
}

// device opens the backend under test.
func (s *suite) device() *device { return newDevice(s.T, s.open(s.T)) }

// reference opens the reference.
func (s *suite) reference() *device { return newDevice(s.T, Reference()) }

// normal returns n normally distributed values of deviation scale.
func (s *suite) normal(n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(s.rng.NormFloat64() * scale)
	}
	return x
}

// rounded returns x as d stores it in activations.
func rounded(d *device, x []float32, shape tensor.Shape) []float32 {
	return d.read(d.activation(shape, x))
}

// device is a backend whose errors end the test.
type device struct {
	t *testing.T
	backend.Backend
	steps map[string]backend.Step // of replay, by name
	ran   []backend.Step          // of each Run since measured
}

func newDevice(t *testing.T, b backend.Backend) *device {
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &device{t: t, Backend: b, steps: map[string]backend.Step{}}
}

func must[T any](d *device, v T, err error) T {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

// parameter makes a tensor of Parameters that holds x.
func (d *device) parameter(shape tensor.Shape, x []float32) tensor.Tensor {
	d.t.Helper()
	t, err := d.Parameters(shape)
	return d.write(must(d, t, err), x)
}

// kernel makes a tensor of Kernel that holds x.
func (d *device) kernel(shape tensor.Shape, x []float32) tensor.Tensor {
	d.t.Helper()
	return d.kernelOf(d.parameter(shape, x), 0, shape)
}

// kernelOf makes a tensor of Kernel in parameters.
func (d *device) kernelOf(parameters tensor.Tensor, offset int, shape tensor.Shape) tensor.Tensor {
	d.t.Helper()
	t, err := d.Kernel(parameters, offset, shape)
	return must(d, t, err)
}

// activation makes a tensor of Activations that holds x.
func (d *device) activation(shape tensor.Shape, x []float32) tensor.Tensor {
	d.t.Helper()
	return d.write(d.empty(shape), x)
}

// empty makes a tensor of Activations.
func (d *device) empty(shape tensor.Shape) tensor.Tensor {
	d.t.Helper()
	t, err := d.Activations(shape)
	return must(d, t, err)
}

func (d *device) write(dst tensor.Tensor, x []float32) tensor.Tensor {
	d.t.Helper()
	if err := d.Write(dst, x); err != nil {
		d.t.Fatal(err)
	}
	return dst
}

func (d *device) read(src tensor.Tensor) []float32 {
	d.t.Helper()
	x := make([]float32, src.Shape().Size())
	if err := d.Read(x, src); err != nil {
		d.t.Fatal(err)
	}
	return x
}

// step runs f once, as a new Step.
func (d *device) step(v backend.StepValues, f func()) {
	d.t.Helper()
	d.run(d.Record(f), v)
}

// replay runs the Step of that name, which is that of the first f with which the name came.
func (d *device) replay(name string, v backend.StepValues, f func()) {
	d.t.Helper()
	if d.steps[name] == nil {
		d.steps[name] = d.Record(f)
	}
	d.run(d.steps[name], v)
}

func (d *device) run(s backend.Step, v backend.StepValues) {
	d.t.Helper()
	if err := s.Run(v); err != nil {
		d.t.Fatal(err)
	}
	d.ran = append(d.ran, s)
}

// measured returns the metrics of all Runs since the last call, in their order.
func (d *device) measured() (all []backend.StepMetrics) {
	d.t.Helper()
	of := map[backend.Step][]backend.StepMetrics{}
	for _, s := range d.ran {
		m, err := s.Metrics(of[s])
		of[s] = must(d, m, err)
	}
	for _, s := range d.ran {
		if len(of[s]) == 0 {
			d.t.Fatalf("fewer metrics than Runs of a step")
		}
		all, of[s] = append(all, of[s][0]), of[s][1:]
	}
	for _, rest := range of {
		if len(rest) > 0 {
			d.t.Fatalf("%d metrics more than Runs of a step", len(rest))
		}
	}
	d.ran = d.ran[:0]
	return all
}

// unchanged fails the test unless x still holds want, to the bit.
func (d *device) unchanged(what string, x tensor.Tensor, want []float32) {
	d.t.Helper()
	same(d.t, what+", which must not change,", d.read(x), want)
}

// bits32 compares floats by their bits.
func bits32(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// same fails the test unless got is want to the bit.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if slices.EqualFunc(got, want, bits32) {
		return
	}
	for i := range want {
		if !bits32(got[i], want[i]) {
			t.Errorf("%s: element %d is %g, want %g to the bit", what, i, got[i], want[i])
			return
		}
	}
}

// exact is the tolerance of values that are not rounded.
func exact(int) float64 { return 0 }

// near fails the test unless each element of got is within its tolerance of want. A
// NaN is near a NaN and an infinity near itself.
func near(t *testing.T, what string, got, want []float32, tolerance func(i int) float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	wrong, worst, at := 0, 0.0, 0
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		if g == w || g != g && w != w {
			continue
		}
		excess := math.Inf(1) // by which factor it is off, infinite for a NaN
		if r := math.Abs(g-w) / tolerance(i); r == r {
			excess = r
		}
		if excess > 1 {
			wrong++
			if excess > worst {
				worst, at = excess, i
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d of %d elements are off; element %d is %g, want %g: %.3g times the tolerance of %.3g",
			what, wrong, len(want), at, got[at], want[at], worst, tolerance(at))
	}
}

// unit is the unit roundoff of float32.
const unit = 0x1p-24

// sumError bounds the error of a sum of n rounded float32 values, in any order,
// relative to the sum of their absolute values. Rounding errors are as good as
// independent, so they add up as √n and not as n; with 4 deviations and more this holds
// for every element of a large tensor (Higham and Mary, "A new approach to probabilistic
// rounding error analysis", 2019, theorem 3.1). The errors of a sum of equal values are
// not independent: there the same bound holds for sums in blocks of about √n, and a
// long one that is kept in a single float32 exceeds it.
func sumError(n int) float64 { return 4 * math.Sqrt(float64(n)) * unit }

func absolute(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(math.Abs(float64(v)))
	}
	return y
}

// Extents that fill registers, do not, and are off by one. The lists have coprime lengths, so that
// cycling through all of them meets every pair.
var (
	channelSweep = [...]int{1, 3, 5, 8, 16, 17, 33, 64, 65}
	batchSweep   = [...]int{1, 2, 3, 5, 7, 16, 33}
	imageSweep   = [...][2]int{{1, 1}, {2, 2}, {3, 5}, {1, 4}, {5, 3}, {4, 4}, {7, 9}, {9, 1}, {8, 6}, {6, 7}, {2, 3}}
)

// rectifier returns max(0, x), or the identity.
func rectifier(relu bool) tensor.Function {
	if relu {
		return tensor.Rectifier()
	}
	return tensor.Function{}
}
