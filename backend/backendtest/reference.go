// Package backendtest has the suite that every backend passes and the reference that
// it is measured by: a backend in float64 that says in plain loops what each plan means.
package backendtest

import (
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// Messages of the panics of the reference: each is a programmer's error.
const (
	errForeign        = "backendtest: tensor of another backend"
	errView           = "backendtest: view does not fit into the tensor"
	errLength         = "backendtest: slice and tensor have different lengths"
	errFreed          = "backendtest: tensor of a closed backend"
	errOutside        = "backendtest: plan called outside Run"
	errNested         = "backendtest: Run called inside Run"
	errMetrics        = "backendtest: too many runs of a step since its last Metrics"
	errFusedFunction  = "backendtest: function other than max(0, x) fused with a layer that is trained"
	errConstant       = "backendtest: constant weights of a layer that is trained"
	errInference      = "backendtest: training pass of an inference plan"
	errSlice          = "backendtest: slice of a dense layer that has no such rows"
	errWeights        = "backendtest: w is not of Kernel"
	errForward        = "backendtest: Forward of a plan of a slice"
	errInputGrad      = "backendtest: BackwardData of a plan made with NoInputGrad"
	errRate           = "backendtest: dropout rate outside [0, 1)"
	errSame           = "backendtest: x and y are the same tensor"
	errPad            = "backendtest: negative padding"
	errDecay          = "backendtest: decay ranges overlap or lie outside the parameters"
	errPooledFunction = "backendtest: a pool fused with a function other than max(0, x)"
	errFunction       = "backendtest: unknown function"
	errInputs         = "backendtest: inputs whose number or shapes do not fit the merge"
	errSigmoid        = "backendtest: a sigmoid loss has two classes"
	errChannels       = "backendtest: whole channels dropped of a matrix"
)

var errClosed = errors.New("backendtest: the backend is closed")

// Reference returns a backend written for reading, the meaning of every plan. It
// computes in float64 and is slow; values become float32 only in Read. It checks the
// contract more strictly than a fast backend need: plans run only inside Run, tensors of a
// closed scope are not used, and what is undefined is NaN.
func Reference() backend.Backend { return &reference{world: &world{}} }

// reference is the reference, or a scope of it.
type reference struct {
	*world
	scope  bool
	closed bool
}

// world is what the reference shares with its scopes.
type world struct {
	sync.Mutex
	ended   bool // all scopes are closed
	running bool
	values  backend.StepValues  // of the current Run
	step    backend.StepMetrics // of the current Run
}

func (r *reference) Scope() backend.Backend { return &reference{world: r.world, scope: true} }

func (r *reference) Close() error {
	r.Lock()
	defer r.Unlock()
	r.closed, r.ended = true, r.ended || !r.scope
	return nil
}

func (r *reference) isClosed() bool { return r.closed || r.ended }

// array is a tensor of the reference, row-major.
type array struct {
	r          *reference // that it was made by
	shape      tensor.Shape
	data       []float64
	activation bool
	kernel     bool
}

func (a *array) Shape() tensor.Shape { return a.shape }

func (*reference) Name() string { return "reference" }

// InferenceBatch returns half of an even batch.
func (*reference) InferenceBatch(s backend.InferenceSpec) int {
	if s.N%2 == 0 {
		return s.N / 2
	}
	return s.N
}

func (r *reference) Parameters(shape tensor.Shape) (tensor.Tensor, error) {
	if r.isClosed() {
		return nil, errClosed
	}
	return &array{r: r, shape: slices.Clone(shape), data: make([]float64, shape.Size())}, nil
}

func (r *reference) Activations(shape tensor.Shape) (tensor.Tensor, error) {
	shape.NHWC() // panics on a wrong rank
	if r.isClosed() {
		return nil, errClosed
	}
	a := &array{r: r, shape: slices.Clone(shape), data: make([]float64, shape.Size()), activation: true}
	for i := range a.data {
		a.data[i] = math.NaN()
	}
	return a, nil
}

func (*reference) View(t tensor.Tensor, offset int, shape tensor.Shape) tensor.Tensor {
	a := own(t)
	size := shape.Size()
	if offset < 0 || offset > len(a.data) || size > len(a.data)-offset || a.activation && offset != 0 {
		panic(errView)
	}
	return &array{a.r, slices.Clone(shape), a.data[offset : offset+size], a.activation, a.kernel}
}

func (r *reference) Kernel(parameters tensor.Tensor, offset int, shape tensor.Shape) (tensor.Tensor, error) {
	w := own(r.View(parameters, offset, shape))
	w.kernel = true
	return w, nil
}

func (r *reference) Write(dst tensor.Tensor, src []float32) error {
	if r.isClosed() {
		return errClosed
	}
	a := own(dst)
	if len(a.data) != len(src) {
		panic(errLength)
	}
	for i, v := range src {
		a.data[i] = float64(v)
	}
	return nil
}

func (r *reference) Read(dst []float32, src tensor.Tensor) error {
	if r.isClosed() {
		return errClosed
	}
	a := own(src)
	if len(a.data) != len(dst) {
		panic(errLength)
	}
	for i, v := range a.data {
		dst[i] = float32(v)
	}
	return nil
}

// step is a Step of the reference.
type step struct {
	r       *reference
	f       func()
	pending []backend.StepMetrics
}

func (r *reference) Record(f func()) backend.Step { return &step{r: r, f: f} }

func (s *step) Run(v backend.StepValues) error {
	r := s.r
	if r.isClosed() {
		return errClosed
	}
	if r.running {
		panic(errNested)
	}
	if len(s.pending) == backend.MaxPending {
		panic(errMetrics)
	}
	r.running, r.values, r.step = true, v, backend.StepMetrics{}
	s.f()
	r.running = false
	s.pending = append(s.pending, r.step)
	return nil
}

func (s *step) Metrics(dst []backend.StepMetrics) ([]backend.StepMetrics, error) {
	dst = append(dst, s.pending...)
	s.pending = s.pending[:0]
	return dst, nil
}

// own returns t as the reference's own.
func own(t tensor.Tensor) *array {
	a, ok := t.(*array)
	if !ok {
		panic(errForeign)
	}
	if a.r.isClosed() {
		panic(errFreed)
	}
	return a
}

// arg returns the values of an argument of a plan, after checking that it has the
// shape that the plan was made for.
func (r *reference) arg(t tensor.Tensor, shape tensor.Shape) []float64 {
	if !r.running {
		panic(errOutside)
	}
	tensor.Check(t, shape)
	return own(t).data
}
