//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"unsafe"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

const errDecay = "cudnn: decay ranges overlap or lie outside the parameters"

// loss is softmax and cross-entropy.
type loss struct {
	b               *Backend
	logits, labels  tensor.Shape
	losses, correct C.CUdeviceptr // of each image
}

// Loss makes a plan of the loss.
func (b *Backend) Loss(s backend.LossSpec) (backend.Loss, error) {
	leave := b.enter()
	defer leave()
	l := &loss{b: b, logits: tensor.Shape{s.N, s.Classes}, labels: tensor.Shape{s.N}}
	var err error
	if l.losses, err = b.alloc(8 * int64(s.N)); err != nil {
		return nil, err
	}
	l.correct, err = b.alloc(4 * int64(s.N))
	return l, err
}

// Forward measures the mean loss and the correct images.
func (l *loss) Forward(logits, labels tensor.Tensor) {
	z, y := address(logits, l.logits), address(labels, l.labels)
	l.launch("softmax_loss", pointer(l.b.state.metrics), pointer(l.b.state.card), pointer(z), pointer(y),
		pointer(l.losses), pointer(l.correct), pointer(l.b.kernels.counters))
}

// Backward computes dlogits.
func (l *loss) Backward(dlogits, logits, labels tensor.Tensor) {
	l.launch("softmax_grad", pointer(address(dlogits, l.logits)), pointer(address(logits, l.logits)), pointer(address(labels, l.labels)))
}

// launch starts a kernel with one block for each image.
func (l *loss) launch(name string, pointers ...argument) {
	n, classes := l.logits[0], l.logits[1]
	l.b.launch(name, [3]uint32{uint32(n), 1, 1}, [3]uint32{32, 1, 1}, append(pointers, integer(n), integer(classes))...)
}

// paramRange is Range of kernels/common.cu: a range of the parameters with one λ.
type paramRange struct {
	from   int64
	size   int32
	lambda float32
}

// maxRange is the largest size of a paramRange: one thread block takes it.
const maxRange = 4096

// sgd is an optimizer of parameters.
type sgd struct {
	b                *Backend
	spec             backend.SGDSpec
	size             tensor.Shape
	ranges           int
	table, penalties C.CUdeviceptr // the ranges, and the penalty of each
}

// SGD makes a plan of an optimizer.
func (b *Backend) SGD(s backend.SGDSpec) (backend.Optimizer, error) {
	leave := b.enter()
	defer leave()
	ranges := split(s)
	o := &sgd{b: b, spec: s, size: tensor.Shape{s.Size}, ranges: len(ranges)}
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
func split(s backend.SGDSpec) (ranges []paramRange) {
	add := func(from, to int, lambda float32) {
		for ; from < to; from += maxRange {
			ranges = append(ranges, paramRange{int64(from), int32(min(maxRange, to-from)), lambda})
		}
	}
	at := 0
	for _, d := range s.Decay {
		if d.Offset < at || d.Size < 0 || d.Size > s.Size-d.Offset {
			panic(errDecay)
		}
		add(at, d.Offset, 0)
		at = d.Offset + d.Size
		add(d.Offset, at, d.Lambda)
	}
	add(at, s.Size, 0)
	return ranges
}

// Step updates w and its velocity and measures the penalty of the old w.
func (o *sgd) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	o.launch("sgd_step", pointer(address(w, o.size)), pointer(address(state[0], o.size)), pointer(address(g, o.size)),
		pointer(o.table), pointer(o.penalties), pointer(o.b.state.metrics), pointer(o.b.state.card), pointer(o.b.kernels.counters),
		number(o.spec.Momentum), flag(o.spec.Nesterov))
}

// Penalty measures the penalty of w.
func (o *sgd) Penalty(w tensor.Tensor) {
	o.launch("penalty", pointer(address(w, o.size)),
		pointer(o.table), pointer(o.penalties), pointer(o.b.state.metrics), pointer(o.b.state.card), pointer(o.b.kernels.counters))
}

// launch starts a kernel with one block per range.
func (o *sgd) launch(name string, arguments ...argument) {
	if o.ranges > 0 {
		o.b.launch(name, [3]uint32{uint32(o.ranges), 1, 1}, [3]uint32{blockThreads, 1, 1}, arguments...)
	}
}
