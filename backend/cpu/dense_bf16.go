package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// denseBF16 is a fully connected layer on bfloat16. The weights are rounded where they are packed:
//
//	y  = x·w     jobs are columns of w, rounded and packed on the way
//	dw = xᵀ·dy   jobs are rows of dw; xᵀ is made and dy is packed first
//	dx = dy·wᵀ   jobs are rows of w, rounded and packed on the way
type denseBF16 struct {
	b          *Backend
	spec       backend.DenseSpec
	x, y, w, c tensor.Shape

	xData, yData []ops.BF16
	wData, bias  []float32
	a, packed    []ops.BF16 // the first operand, filled up to whole tiles, and the second

	padTask, forwardTask                func(worker, job int)
	transposeTask, packTask, filterTask func(worker, job int)
	dataTask                            func(worker, job int)
	biasGradient                        biasGradient

	in []ops.BF16 // that padTask copies
	k  int        // its columns
}

func newDenseBF16(b *Backend, s backend.DenseSpec) (*denseBF16, error) {
	d := &denseBF16{
		b: b, spec: s,
		x: tensor.Shape{s.N, s.In}, y: tensor.Shape{s.N, s.Out},
		w: tensor.Shape{s.In, s.Out}, c: tensor.Shape{s.Out},
	}
	d.padTask, d.forwardTask = d.padJob, d.forwardJob
	d.transposeTask, d.packTask, d.filterTask = d.transposeJob, d.packJob, d.filterJob
	d.dataTask = d.dataJob
	depth := max(s.In, s.Out)
	if err := b.reserve(denseWeights/2 + denseColumns*s.N + max(ops.RoundedScratch, b.level.GemmScratchBF16(s.N, denseDepth))); err != nil {
		return nil, err
	}
	if err := b.reserveCommon((s.N*ops.PadBF16(depth) + 1) / 2); err != nil {
		return nil, err
	}
	if s.Inference {
		return d, nil
	}
	if err := b.reserve(max(ops.TransposeScratchBF16(s.N), b.level.GemmScratchBF16(ops.GroupColumns, ops.PadBF16(s.N)))); err != nil {
		return nil, err
	}
	if err := d.biasGradient.init(b, s.N, s.Out); err != nil {
		return nil, err
	}
	return d, b.reserveCommon((s.In*ops.PadBF16(s.N) + ops.PackedMatrixSizeBF16(s.N, s.Out)) / 2)
}

// groups returns the number of groups of n columns.
func groups(n int) int { return blocks(n, ops.GroupColumns) }

// first sets the first operand to in, N rows of k numbers, filled up with zeros to whole tiles.
func (d *denseBF16) first(in []ops.BF16, k int) {
	d.a, d.in, d.k = in, in, k
	if k != ops.PadBF16(k) {
		d.a = ops.AsBF16(d.b.common.of(0))
		d.b.pool.run(d.spec.N, d.padTask)
	}
}

func (d *denseBF16) padJob(_, row int) {
	to := d.a[row*ops.PadBF16(d.k):][:ops.PadBF16(d.k)]
	copy(to, d.in[row*d.k:][:d.k])
	clear(to[d.k:])
}

// Forward computes y = x·w + b.
func (d *denseBF16) Forward(y, x, w, b tensor.Tensor) {
	d.yData, d.wData, d.bias = numbers(y, d.y).bf16, data(w, d.w), data(b, d.c)
	d.first(numbers(x, d.x).bf16, d.spec.In)
	d.b.pool.run(blocks(d.spec.Out, denseColumns), d.forwardTask)
}

func (d *denseBF16) forwardJob(worker, job int) {
	s, l := &d.spec, d.b.level
	j, end := part(s.Out, denseColumns, job)
	columns := end - j
	c := d.product(worker, ops.Matrix{Data: d.wData[j:], RowStride: s.Out, ColStride: 1}, s.In, columns)
	for n := range s.N {
		row := c[n*columns:][:columns]
		for i, v := range d.bias[j:end] {
			row[i] += v
		}
		if s.ReLU {
			l.ReLU(row, row)
		}
		l.RoundBF16(d.yData[n*s.Out+j:][:columns], row)
	}
}

// A job of y or dx has denseColumns of its columns. The weights for them are read once, in stretches long enough
// for the memory, and denseDepth at a time, so that they are still in the second-level cache when packed.
const (
	denseColumns = 4 * ops.GroupColumns
	denseDepth   = 512
	denseWeights = denseColumns * denseDepth
)

// product returns the product of the first operand and columns of weights, k deep, in scratch.
func (d *denseBF16) product(worker int, w ops.Matrix, k, columns int) []float32 {
	l, scratch := d.b.level, d.b.scratch(worker)
	packed, c, scratch := ops.AsBF16(scratch[:denseWeights/2]), scratch[denseWeights/2:][:d.spec.N*columns], scratch[denseWeights/2+d.spec.N*columns:]
	for p := 0; p < k; p += denseDepth {
		depth := min(denseDepth, k-p)
		l.PackRounded(packed, depth, ops.Matrix{Data: w.Data[p*w.RowStride:], RowStride: w.RowStride, ColStride: w.ColStride}, 0, depth, columns, scratch)
		l.GemmBF16(c, columns, d.a[p:], ops.PadBF16(k), packed, d.spec.N, columns, ops.PadBF16(depth), p > 0, scratch)
	}
	return c
}

// BackwardFilter computes dw and db.
func (d *denseBF16) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	s := &d.spec
	d.wData, d.yData, d.xData = data(dw, d.w), numbers(dy, d.y).bf16, numbers(x, d.x).bf16
	common, size := ops.AsBF16(d.b.common.of(0)), s.In*ops.PadBF16(s.N)
	d.a, d.packed = common[:size], common[size:]
	d.b.pool.run(groups(s.In), d.transposeTask)
	d.b.pool.run(groups(s.Out), d.packTask)
	d.b.pool.run(groups(s.In), d.filterTask)
	d.biasGradient.run(data(db, d.c), numbers(dy, d.y), s.BatchNorm)
}

func (d *denseBF16) transposeJob(worker, job int) {
	s := &d.spec
	i := job * ops.GroupColumns
	d.b.level.TransposeBF16(d.a[i*ops.PadBF16(s.N):], d.xData[i:], s.In, s.N, min(ops.GroupColumns, s.In-i), d.b.scratch(worker))
}

func (d *denseBF16) packJob(_, job int) {
	s := &d.spec
	j := job * ops.GroupColumns
	d.b.level.PackMatrixBF16(d.packed, ops.MatrixBF16{Data: d.yData, RowStride: s.Out, ColStride: 1}, s.N, j, min(ops.GroupColumns, s.Out-j))
}

func (d *denseBF16) filterJob(worker, job int) {
	s := &d.spec
	i := job * ops.GroupColumns
	d.b.level.GemmBF16(d.wData[i*s.Out:], s.Out, d.a[i*ops.PadBF16(s.N):], ops.PadBF16(s.N), d.packed,
		min(ops.GroupColumns, s.In-i), s.Out, ops.PadBF16(s.N), false, d.b.scratch(worker))
}

// BackwardData computes dx.
func (d *denseBF16) BackwardData(dx, dy, w tensor.Tensor) {
	d.xData, d.wData = numbers(dx, d.x).bf16, data(w, d.w)
	d.first(numbers(dy, d.y).bf16, d.spec.Out)
	d.b.pool.run(blocks(d.spec.In, denseColumns), d.dataTask)
}

func (d *denseBF16) dataJob(worker, job int) {
	s, l := &d.spec, d.b.level
	i, end := part(s.In, denseColumns, job)
	rows := end - i
	c := d.product(worker, ops.Matrix{Data: d.wData[i*s.Out:], RowStride: 1, ColStride: s.Out}, s.Out, rows)
	for n := range s.N {
		l.RoundBF16(d.xData[n*s.In+i:][:rows], c[n*rows:][:rows])
	}
}
