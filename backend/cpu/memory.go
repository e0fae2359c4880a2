package cpu

import (
	"slices"

	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const (
	errForeign = "cpu: tensor of another backend"
	errLength  = "cpu: slice of wrong length"
	errView    = "cpu: view does not fit into its tensor"
)

// buffer is a tensor of this backend: parameters in row-major order as float32, activations in
// the layout of package ops, HWNC (of which a matrix (N, C) is the case of one pixel).
type buffer struct {
	shape tensor.Shape
	array
	activations bool
}

// Shape returns the shape, which is not to be changed.
func (t *buffer) Shape() tensor.Shape { return t.shape }

// Parameters makes a zeroed tensor of float32 in row-major order.
func (b *Backend) Parameters(shape tensor.Shape) (tensor.Tensor, error) {
	data, err := b.floats(shape.Size())
	if err != nil {
		return nil, err
	}
	return &buffer{slices.Clone(shape), array{f32: data}, false}, nil
}

// Activations makes a tensor of the backend's precision, stored HWNC.
func (b *Backend) Activations(shape tensor.Shape) (tensor.Tensor, error) {
	shape.NHWC() // checks the rank
	n := shape.Size()
	if !b.bf16 {
		data, err := b.floats(n)
		if err != nil {
			return nil, err
		}
		return &buffer{slices.Clone(shape), array{f32: data}, true}, nil
	}
	data, err := b.floats((n + 1) / 2)
	if err != nil {
		return nil, err
	}
	// Write and Read convert the whole.
	return &buffer{slices.Clone(shape), array{bf16: ops.AsBF16(data)[:n:n]}, true}, b.reserveCommon(n)
}

// View returns a part of the memory of t.
func (b *Backend) View(t tensor.Tensor, offset int, shape tensor.Shape) tensor.Tensor {
	whole := own(t)
	n := shape.Size()
	if offset < 0 || offset > whole.len() || n > whole.len()-offset || whole.activations && offset != 0 {
		panic(errView)
	}
	if whole.activations {
		shape.NHWC()
	}
	return &buffer{slices.Clone(shape), whole.slice(offset, offset+n), whole.activations}
}

// Kernel returns a part of the memory of parameters, and makes the copy of it in bfloat16 that products read.
func (b *Backend) Kernel(parameters tensor.Tensor, offset int, shape tensor.Shape) (tensor.Tensor, error) {
	w := b.View(parameters, offset, shape)
	if !b.bf16 {
		return w, nil
	}
	return w, b.addWeights(own(w).f32, shape[len(shape)-1])
}

// writePixels is the number of pixels that a job of Write takes.
const writePixels = 64

// Write copies src, row-major in the order of the shape, to dst.
func (b *Backend) Write(dst tensor.Tensor, src []float32) error {
	if b.closed {
		return errClosed
	}
	t := own(dst)
	if len(src) != t.len() {
		panic(errLength)
	}
	if !t.activations {
		b.changed(t.f32)
		copy(t.f32, src)
		return nil
	}
	n, h, w, c := t.shape.NHWC()
	b.written = written{t.array, t.place(b.common.of(0), 0, len(src)), src, n, h * w, c}
	b.pool.run(blocks(h*w, writePixels), b.writeTask)
	b.written = written{}
	return nil
}

// written is what the jobs of Write convert: src, by way of x.
type written struct {
	dst                 array
	x, src              []float32
	n, pixels, channels int
}

func (b *Backend) writeJob(_, job int) {
	w := &b.written
	from, to := part(w.pixels, writePixels, job)
	ops.SwapAxes(w.x, w.src, w.n, w.pixels, w.channels, from, to)
	size := w.n * w.channels // of a pixel
	w.dst.store(b.level, w.x[from*size:to*size], from*size)
}

// Read copies src to dst, row-major in the order of the shape.
func (b *Backend) Read(dst []float32, src tensor.Tensor) error {
	if b.closed {
		return errClosed
	}
	t := own(src)
	if len(dst) != t.len() {
		panic(errLength)
	}
	if !t.activations {
		copy(dst, t.f32)
		return nil
	}
	n, h, w, c := t.shape.NHWC()
	ops.SwapAxes(dst, t.load(b.level, b.common.of(0), 0, len(dst)), h*w, n, c, 0, n)
	return nil
}

// own returns t as a tensor of this backend.
func own(t tensor.Tensor) *buffer {
	v, ok := t.(*buffer)
	if !ok {
		panic(errForeign)
	}
	return v
}

// data returns the numbers of a tensor of Parameters after checking its shape.
func data(t tensor.Tensor, shape tensor.Shape) []float32 {
	return numbers(t, shape).f32
}
