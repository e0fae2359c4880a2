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
	root        *root
	offset      int          // in the root, of parameters
	packed      *weightsBF16 // of a tensor of Kernel and its views
}

// Shape returns the shape, which is not to be changed.
func (t *buffer) Shape() tensor.Shape { return t.shape }

// Parameters makes a zeroed tensor of float32 in row-major order.
func (b *Backend) Parameters(shape tensor.Shape) (tensor.Tensor, error) {
	data, err := b.floats(shape.Size())
	if err != nil {
		return nil, err
	}
	return &buffer{shape: slices.Clone(shape), array: array{f32: data}, root: &root{b: b}}, nil
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
		return b.activation(shape, array{f32: data}), nil
	}
	data, err := b.floats((n + 1) / 2)
	if err != nil {
		return nil, err
	}
	// Write and Read convert the whole.
	return b.activation(shape, array{bf16: ops.AsBF16(data)[:n:n]}), b.reserveCommon(n)
}

func (b *Backend) activation(shape tensor.Shape, a array) *buffer {
	return &buffer{shape: slices.Clone(shape), array: a, activations: true, root: &root{b: b}}
}

// View returns a tensor in the memory of t.
func (b *Backend) View(t tensor.Tensor, offset int, shape tensor.Shape) tensor.Tensor {
	return view(t, offset, shape)
}

func view(t tensor.Tensor, offset int, shape tensor.Shape) *buffer {
	v := *own(t)
	n := shape.Size()
	if offset < 0 || offset > v.len() || n > v.len()-offset || v.activations && offset != 0 {
		panic(errView)
	}
	if v.activations {
		shape.NHWC() // checks the rank
	}
	v.shape, v.array, v.offset = slices.Clone(shape), v.slice(offset, offset+n), v.offset+offset
	return &v
}

// writePixels is the number of pixels in a job of Write.
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
		t.changed()
		copy(t.f32, src)
		return nil
	}
	n, h, w, c := t.shape.NHWC()
	b.written = written{t.array, t.dst(b.common.of(0), 0, len(src)), src, n, h * w, c}
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
	from, to := blockRange(w.pixels, writePixels, job)
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

// data returns the elements of a tensor of Parameters after checking its shape.
func data(t tensor.Tensor, shape tensor.Shape) []float32 {
	return input(t, shape).f32
}
