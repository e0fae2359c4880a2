package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// denseBF16 is a fully connected layer on bfloat16. The weights are rounded where they are packed:
//
//	y  = x·w     jobs are groups of columns of w, each rounded and packed on the way
//	dw = xᵀ·dy   jobs are rows of dw; xᵀ is made and dy is packed first
//	dx = dy·wᵀ   jobs are groups of rows of w, each rounded and packed on the way
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
	// A job's weights, rounded and packed, and its part of the result.
	const group = ops.GroupColumns
	depth := max(s.In, s.Out)
	if err := b.reserve(group*ops.PadBF16(depth) + group*s.N + b.level.GemmScratchBF16(s.N, ops.PadBF16(depth))); err != nil {
		return nil, err
	}
	if err := b.reserveCommon((s.N*ops.PadBF16(depth) + 1) / 2); err != nil {
		return nil, err
	}
	if s.Inference {
		return d, nil
	}
	if err := b.reserve(max(ops.TransposeScratchBF16(s.N), b.level.GemmScratchBF16(group, ops.PadBF16(s.N)))); err != nil {
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
	d.b.pool.run(groups(d.spec.Out), d.forwardTask)
}

func (d *denseBF16) forwardJob(worker, job int) {
	s, l := &d.spec, d.b.level
	j := job * ops.GroupColumns
	columns := min(ops.GroupColumns, s.Out-j)
	rounded, packed, c, scratch := d.weights(worker, s.In)
	for i := range s.In {
		l.RoundBF16(rounded[i*columns:][:columns], d.wData[i*s.Out+j:][:columns])
	}
	l.PackMatrixBF16(packed, ops.MatrixBF16{Data: rounded, RowStride: columns, ColStride: 1}, s.In, 0, columns)
	l.GemmBF16(c, columns, d.a, ops.PadBF16(s.In), packed, s.N, columns, ops.PadBF16(s.In), false, scratch)
	for n := range s.N {
		row := c[n*columns:][:columns]
		for i, v := range d.bias[j:][:columns] {
			row[i] += v
		}
		if s.ReLU {
			l.ReLU(row, row)
		}
		l.RoundBF16(d.yData[n*s.Out+j:][:columns], row)
	}
}

// weights divides a worker's scratch for a job: a group of k weights each, rounded and packed,
// their products with N rows, and the rest.
func (d *denseBF16) weights(worker, k int) (rounded, packed []ops.BF16, c, rest []float32) {
	const group = ops.GroupColumns
	s := d.b.scratch(worker)
	size := group * ops.PadBF16(k)
	both := ops.AsBF16(s[:size])
	return both[:size], both[size:], s[size:][:group*d.spec.N], s[size+group*d.spec.N:]
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
	d.b.pool.run(groups(d.spec.In), d.dataTask)
}

func (d *denseBF16) dataJob(worker, job int) {
	s, l := &d.spec, d.b.level
	i := job * ops.GroupColumns
	rows := min(ops.GroupColumns, s.In-i)
	rounded, packed, c, scratch := d.weights(worker, s.Out)
	rounded = rounded[:rows*s.Out]
	l.RoundBF16(rounded, d.wData[i*s.Out:][:rows*s.Out])
	l.PackMatrixBF16(packed, ops.MatrixBF16{Data: rounded, RowStride: 1, ColStride: s.Out}, s.Out, 0, rows)
	l.GemmBF16(c, rows, d.a, ops.PadBF16(s.Out), packed, s.N, rows, ops.PadBF16(s.Out), false, scratch)
	for n := range s.N {
		l.RoundBF16(d.xData[n*s.In+i:][:rows], c[n*rows:][:rows])
	}
}
