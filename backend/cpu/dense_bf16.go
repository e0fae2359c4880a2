package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// denseBF16 is a fully connected layer on bfloat16:
//
//	y   = x·w     jobs are columns of w, packed as in all passes
//	dw  = xᵀ·dy   jobs are rows of dw; xᵀ is made and dy is packed first
//	dxᵀ = w·dyᵀ   jobs are rows of w; dyᵀ is packed first
type denseBF16 struct {
	b          *Backend
	spec       backend.DenseSpec
	part       backend.Rows // of the weights, for the backward passes
	x, y, w, c tensor.Shape

	xData, yData []ops.BF16
	wData, bias  []float32
	a, packed    []ops.BF16 // the first operand, in rows as ops.RowBF16 has them or packed as w is, and the second
	rows, first  int        // of that w, and with which the part begins

	padTask, forwardTask                func(worker, job int)
	transposeTask, packTask, filterTask func(worker, job int)
	turnTask, dataTask                  func(worker, job int)
	biasGradient                        biasGradient
}

func newDenseBF16(b *Backend, s backend.DenseSpec) (*denseBF16, error) {
	d := &denseBF16{
		b: b, spec: s, part: s.Rows(),
		x: tensor.Shape{s.N, s.In}, y: tensor.Shape{s.N, s.Out},
		w: tensor.Shape{s.Rows().Len(), s.Out}, c: tensor.Shape{s.Out},
	}
	d.padTask, d.forwardTask = d.padJob, d.forwardJob
	d.transposeTask, d.packTask, d.filterTask = d.transposeJob, d.packJob, d.filterJob
	d.turnTask, d.dataTask = d.turnJob, d.dataJob
	in, out, n := ops.PadBF16(s.In), ops.PadBF16(s.Out), ops.PadBF16(s.N)
	if err := b.reserve(denseOutputs*s.N + b.level.GemmScratchBF16(s.N, in)); err != nil {
		return nil, err
	}
	if err := b.reserveCommon(s.N * ops.RowBF16(s.In) / 2); err != nil {
		return nil, err
	}
	if s.Inference {
		return d, nil
	}
	if err := b.reserve(max(
		ops.TransposeScratchBF16(s.N),
		ops.GroupColumns*denseGradients+b.level.GemmScratchBF16(ops.GroupColumns, n),
		2*denseInputs*s.N+b.level.GemmScratchBF16(denseInputs, out),
	)); err != nil {
		return nil, err
	}
	if err := d.biasGradient.init(b, s.N, s.Out); err != nil {
		return nil, err
	}
	return d, b.reserveCommon(max(d.part.Len()*ops.RowBF16(s.N)+ops.PackedMatrixSizeBF16(s.N, s.Out), ops.PackedMatrixSizeBF16(s.Out, s.N)) / 2)
}

// A job of y has so many of its columns, one of dx so many rows of w. Fewer read the other operand more often, more leave
// too few jobs.
const (
	denseOutputs = 4 * ops.GroupColumns
	denseInputs  = 2 * ops.GroupColumns
)

// denseGradients is how many columns of dw are summed in the caches before they are stored.
const denseGradients = 512

// groups returns the number of groups of n columns.
func groups(n int) int { return blocks(n, ops.GroupColumns) }

func (d *denseBF16) padJob(_, row int) {
	in := d.spec.In
	to := d.a[row*ops.RowBF16(in):][:ops.PadBF16(in)]
	copy(to, d.xData[row*in:][:in])
	clear(to[in:])
}

// Forward computes y = x·w + b.
func (d *denseBF16) Forward(y, x, w, b tensor.Tensor) {
	s := &d.spec
	d.yData, d.xData, d.bias = d.b.output(y, d.y).bf16, numbers(x, d.x).bf16, data(b, d.c)
	d.packed = d.b.packedWeights(data(w, d.w), s.Out)
	d.a = ops.AsBF16(d.b.common.of(0))
	d.b.pool.run(s.N, d.padTask)
	d.b.pool.run(blocks(s.Out, denseOutputs), d.forwardTask)
}

func (d *denseBF16) forwardJob(worker, job int) {
	s, l := &d.spec, d.b.level
	j, end := part(s.Out, denseOutputs, job)
	columns, k := end-j, ops.PadBF16(s.In)
	c, scratch := d.result(worker, columns)
	l.GemmBF16(c, columns, d.a, ops.RowBF16(s.In), d.packed[j*k:], s.N, columns, k, scratch)
	for n := range s.N {
		row := c[n*columns:][:columns]
		ops.Add(row, d.bias[j:end])
		if s.ReLU {
			l.ReLU(row, row)
		}
		l.RoundBF16(d.yData[n*s.Out+j:][:columns], row)
	}
}

// result divides a worker's scratch for a job: N rows of so many sums, and the rest.
func (d *denseBF16) result(worker, columns int) (c, rest []float32) {
	s, n := d.b.scratch(worker), d.spec.N*columns
	return s[:n], s[n:]
}

// BackwardFilter computes dw and db.
func (d *denseBF16) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	s := &d.spec
	d.wData, d.yData, d.xData = d.b.output(dw, d.w).f32, numbers(dy, d.y).bf16, numbers(x, d.x).bf16
	common, size := ops.AsBF16(d.b.common.of(0)), d.part.Len()*ops.RowBF16(s.N)
	d.a, d.packed = common[:size], common[size:]
	d.b.pool.run(groups(d.part.Len()), d.transposeTask)
	d.b.pool.run(groups(s.Out), d.packTask)
	d.b.pool.run(groups(d.part.Len()), d.filterTask)
	if db != nil {
		d.biasGradient.run(d.b.output(db, d.c).f32, numbers(dy, d.y), s.BatchNorm)
	}
}

func (d *denseBF16) transposeJob(worker, job int) {
	s := &d.spec
	i, end := part(d.part.Len(), ops.GroupColumns, job)
	d.b.level.TransposeBF16(d.a[i*ops.RowBF16(s.N):], ops.RowBF16(s.N), d.xData[d.part.From+i:], s.In, s.N, end-i, d.b.scratch(worker))
}

func (d *denseBF16) packJob(_, job int) {
	s := &d.spec
	j := job * ops.GroupColumns
	d.b.level.PackMatrixBF16(d.packed, ops.MatrixBF16{Data: d.yData, RowStride: s.Out, ColStride: 1}, s.N, j, min(ops.GroupColumns, s.Out-j))
}

func (d *denseBF16) filterJob(worker, job int) {
	s := &d.spec
	i, end := part(d.part.Len(), ops.GroupColumns, job)
	l, n, rows := d.b.level, ops.PadBF16(s.N), end-i
	scratch := d.b.scratch(worker)
	sums, scratch := scratch[:rows*denseGradients], scratch[rows*denseGradients:]
	for j := 0; j < s.Out; j += denseGradients {
		columns := min(denseGradients, s.Out-j)
		l.GemmBF16(sums, columns, d.a[i*ops.RowBF16(s.N):], ops.RowBF16(s.N), d.packed[j*n:], rows, columns, n, scratch)
		l.StoreRows(d.wData[i*s.Out+j:], s.Out, sums, columns, rows, columns)
	}
}

// BackwardData computes dx.
func (d *denseBF16) BackwardData(dx, dy, w tensor.Tensor) {
	s := &d.spec
	d.xData, d.yData = d.b.output(dx, d.x).bf16, numbers(dy, d.y).bf16
	d.a, d.rows, d.first = d.b.packedRows(data(w, d.w), s.Out)
	d.packed = ops.AsBF16(d.b.common.of(0))[:ops.PackedMatrixSizeBF16(s.Out, s.N)]
	d.b.pool.run(groups(s.N), d.turnTask)
	d.b.pool.run(blocks(d.part.Len(), denseInputs), d.dataTask)
}

func (d *denseBF16) turnJob(_, job int) {
	s := &d.spec
	n, end := part(s.N, ops.GroupColumns, job)
	d.b.level.PackMatrixBF16(d.packed, ops.MatrixBF16{Data: d.yData, RowStride: 1, ColStride: s.Out}, s.Out, n, end-n)
}

func (d *denseBF16) dataJob(worker, job int) {
	s, l := &d.spec, d.b.level
	i, end := part(d.part.Len(), denseInputs, job)
	rows := end - i
	c, scratch := d.result(worker, rows)
	l.GemmPackedRows(c, s.N, d.a, d.rows, d.first+i, d.packed, rows, s.N, s.Out, scratch)
	turned := scratch[:s.N*rows]
	l.Transpose(turned, rows, c, s.N, rows, s.N)
	for n := range s.N {
		l.RoundBF16(d.xData[n*s.In+d.part.From+i:][:rows], turned[n*rows:][:rows])
	}
}
