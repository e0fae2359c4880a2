//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"slices"
	"unsafe"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const (
	errDecay   = "cudnn: decay ranges overlap or lie outside the parameters"
	errSigmoid = "cudnn: a sigmoid is for two classes"
	errStates  = "cudnn: wrong number of states of an optimizer"
)

// loss is a cross-entropy.
type loss struct {
	b               *Backend
	spec            backend.LossSpec
	logits, labels  tensor.Shape
	losses, correct C.CUdeviceptr // of each image
}

// Loss makes a plan of the loss.
func (b *Backend) Loss(s backend.LossSpec) (backend.Loss, error) {
	leave := b.enter()
	defer leave()
	l := &loss{b: b, spec: s, logits: tensor.Shape{s.N, s.Classes}, labels: tensor.Shape{s.N}}
	if s.Sigmoid {
		if s.Classes != 2 {
			panic(errSigmoid)
		}
		l.logits[1] = 1
	}
	var err error
	if l.losses, err = b.alloc(8 * int64(s.N)); err != nil {
		return nil, err
	}
	l.correct, err = b.alloc(4 * int64(s.N))
	return l, err
}

// Forward measures the mean loss and the correct images.
func (l *loss) Forward(logits, labels tensor.Tensor) {
	l.launch("loss", []argument{pointer(l.losses), pointer(l.correct), pointer(l.b.kernels.counters)}, labels,
		pointer(l.b.state.metrics), pointer(l.b.state.card), pointer(address(logits, l.logits)))
}

// Backward computes dlogits.
func (l *loss) Backward(dlogits, logits, labels tensor.Tensor) {
	l.launch("loss_grad", nil, labels, pointer(address(dlogits, l.logits)), pointer(address(logits, l.logits)))
}

// launch starts a kernel with one block for each image. The labels and weights come between
// pointers and scratch.
func (l *loss) launch(name string, scratch []argument, labels tensor.Tensor, pointers ...argument) {
	s := &l.spec
	l.b.eachRow(name, s.N, slices.Concat(pointers,
		[]argument{pointer(address(labels, l.labels)), pointer(addressOrNil(s.Weights, tensor.Shape{s.Classes}))}, scratch,
		[]argument{integer(s.N), integer(s.Classes), flag(s.Sigmoid), number(s.Smoothing)})...)
}

// paramRange is Range of kernels/common.cu: a range of the parameters with one λ.
type paramRange struct {
	from   int64
	size   int32
	lambda float32
}

// maxRange is the largest size of a paramRange: one thread block takes it.
const maxRange = 4096

// optimizer updates parameters by a kernel.
type optimizer struct {
	b                *Backend
	size             tensor.Shape
	states           int
	kernel           string
	settings         []argument // the last ones of the kernel
	ranges           int
	table, penalties C.CUdeviceptr // the ranges, and the penalty of each
}

// SGD makes a plan of an optimizer.
func (b *Backend) SGD(s backend.SGDSpec) (backend.Optimizer, error) {
	return b.optimizer(s.Size, s.Decay, 1, "sgd_step", number(s.Momentum), flag(s.Nesterov))
}

// AdamW makes a plan of an optimizer.
func (b *Backend) AdamW(s backend.AdamWSpec) (backend.Optimizer, error) {
	return b.optimizer(s.Size, s.Decay, 2, "adamw_step", number(s.Beta1), number(s.Beta2), number(s.Epsilon), number(s.WeightDecay))
}

func (b *Backend) optimizer(size int, decay []backend.Decay, states int, kernel string, settings ...argument) (
	*optimizer, error) {
	leave := b.enter()
	defer leave()
	ranges := split(size, decay)
	o := &optimizer{b: b, size: tensor.Shape{size}, states: states, kernel: kernel, settings: settings, ranges: len(ranges)}
	var err error
	if o.penalties, err = b.alloc(8 * int64(o.ranges)); err != nil {
		return nil, err
	}
	if o.table, err = b.alloc(int64(o.ranges) * int64(unsafe.Sizeof(paramRange{}))); err != nil {
		return nil, err
	}
	b.upload(o.table, bytesOf(ranges))
	return o, b.err
}

// split divides the parameters into ranges with one λ each.
func split(size int, decay []backend.Decay) (ranges []paramRange) {
	add := func(from, to int, lambda float32) {
		for ; from < to; from += maxRange {
			ranges = append(ranges, paramRange{int64(from), int32(min(maxRange, to-from)), lambda})
		}
	}
	at := 0
	for _, d := range decay {
		if d.Offset < at || d.Size < 0 || d.Size > size-d.Offset {
			panic(errDecay)
		}
		add(at, d.Offset, 0)
		at = d.Offset + d.Size
		add(d.Offset, at, d.Lambda)
	}
	add(at, size, 0)
	return ranges
}

// Step updates w and the state and measures the penalty of the old w.
func (o *optimizer) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	if len(state) != o.states {
		panic(errStates)
	}
	pointers := []argument{pointer(address(w, o.size))}
	for _, s := range append(state[:len(state):len(state)], g) {
		pointers = append(pointers, pointer(address(s, o.size)))
	}
	o.launch(o.kernel, pointers, o.settings)
}

// Penalty measures the penalty of w.
func (o *optimizer) Penalty(w tensor.Tensor) {
	o.launch("penalty", []argument{pointer(address(w, o.size))}, nil)
}

// launch starts a kernel with one block per range.
func (o *optimizer) launch(name string, pointers, settings []argument) {
	if o.ranges > 0 {
		o.b.launch(name, [3]uint32{uint32(o.ranges), 1, 1}, [3]uint32{blockThreads, 1, 1}, slices.Concat(pointers,
			[]argument{pointer(o.table), pointer(o.penalties), pointer(o.b.state.metrics), pointer(o.b.state.card), pointer(o.b.kernels.counters)},
			settings)...)
	}
}
