package cpu

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// dense is a fully connected layer. The weights, in·out numbers, are what takes the
// time to move, so each pass moves them once, in order:
//
//	y = x·w          jobs are columns of w, packed on the way, or once if w never changes
//	dw = xᵀ·dy       jobs are rows of dw; dy is packed first
//	dxᵀ = w·dyᵀ      jobs are rows of w; dyᵀ is packed first; dx is the transpose
type dense struct {
	b          *Backend
	spec       backend.DenseSpec
	part       backend.Rows // of the weights, for the backward passes
	x, y, w, c tensor.Shape
	columns    int        // of the weights that a job of the forward pass takes
	rows       int        // of the weights that a job of the others takes
	room       kernelRoom // of weights that never change

	xData, yData, wData, bias, packed []float32
	forwardTask, packWeightsTask      func(worker, job int)
	packTask, filterTask              func(worker, job int)
	biasGradient                      biasGradient
	packTransposedTask, dataTask      func(worker, job int)
}

// Dense makes a plan of a fully connected layer.
func (b *Backend) Dense(s backend.DenseSpec) (backend.Dense, error) {
	if b.bf16 {
		return newDenseBF16(b, s)
	}
	d := &dense{
		b: b, spec: s, part: s.Rows(),
		x: tensor.Shape{s.N, s.In}, y: tensor.Shape{s.N, s.Out},
		w: tensor.Shape{s.Rows().Len(), s.Out}, c: tensor.Shape{s.Out},
	}
	// Each job of the forward pass copies x again: two jobs a worker, of at most 1024 columns. Of few images there is little to
	// copy, and the last job is not to be long.
	d.columns = ops.GroupColumns * min(max(1, s.Out/(2*b.pool.workers*ops.GroupColumns)), 16, max(1, s.N/2))
	// About 48 rows, so many that all workers have equally many jobs.
	workers := b.pool.workers
	jobs := max(1, (d.part.Len()+24*workers)/(48*workers)) * workers
	d.rows = (d.part.Len() + jobs - 1) / jobs
	d.forwardTask, d.packWeightsTask = d.forwardJob, d.packWeightsJob
	if s.Constant {
		d.forwardTask = d.forwardPackedJob
	}
	d.packTask, d.filterTask = d.packJob, d.filterJob
	d.packTransposedTask, d.dataTask = d.packTransposedJob, d.dataJob
	if err := b.reserve(b.level.GemmScratch(s.N, min(d.columns, s.Out), s.In)); err != nil {
		return nil, err
	}
	if s.Constant {
		return d, d.room.init(b, b.level.PackedMatrixSize(s.In, s.Out), true)
	}
	if s.Inference {
		return d, nil
	}
	if err := b.reserve(b.level.GemmScratch(d.rows, 1, max(s.N, s.Out)) + d.rows*s.N); err != nil {
		return nil, err
	}
	if err := d.biasGradient.init(b, s.N, s.Out); err != nil {
		return nil, err
	}
	return d, b.reserveCommon(max(b.level.PackedMatrixSize(s.N, s.Out), b.level.PackedMatrixSize(s.Out, s.N)))
}

// Forward computes y = x·w + b.
func (d *dense) Forward(y, x, w, b tensor.Tensor) {
	d.yData, d.xData, d.wData, d.bias = d.b.output(y, d.y).f32, numbers(x, d.x).f32, data(w, d.w), data(b, d.c)
	jobs := blocks(d.spec.Out, d.columns)
	if d.spec.Constant {
		var stale bool
		if d.packed, stale = d.room.use(); stale {
			d.b.pool.run(jobs, d.packWeightsTask)
		}
	}
	d.b.pool.run(jobs, d.forwardTask)
}

func (d *dense) forwardJob(worker, job int) {
	s := &d.spec
	j := job * d.columns
	d.b.level.Gemm(d.yData[j:], s.Out,
		ops.Matrix{Data: d.xData, RowStride: s.In, ColStride: 1}, ops.Matrix{Data: d.wData[j:], RowStride: s.Out, ColStride: 1},
		s.N, min(d.columns, s.Out-j), s.In, ops.Product{Bias: d.bias[j:], ReLU: s.ReLU}, d.b.scratch(worker))
}

func (d *dense) packWeightsJob(_, job int) {
	s := &d.spec
	j := job * d.columns
	d.b.level.PackMatrix(d.packed, ops.Matrix{Data: d.wData, RowStride: s.Out, ColStride: 1}, s.In, j, min(d.columns, s.Out-j))
}

func (d *dense) forwardPackedJob(worker, job int) {
	s := &d.spec
	j := job * d.columns
	d.b.level.GemmPacked(d.yData[j:], s.Out, ops.Matrix{Data: d.xData, RowStride: s.In, ColStride: 1}, d.packed[j*s.In:],
		s.N, min(d.columns, s.Out-j), s.In, ops.Product{Bias: d.bias[j:], ReLU: s.ReLU}, d.b.scratch(worker))
}

// BackwardFilter computes dw and db.
func (d *dense) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	d.wData, d.yData, d.xData = d.b.output(dw, d.w).f32, numbers(dy, d.y).f32, numbers(x, d.x).f32
	d.packed = d.b.common.of(0)
	d.b.pool.run(blocks(d.spec.Out, d.columns), d.packTask)
	d.b.pool.run(blocks(d.part.Len(), d.rows), d.filterTask)
	if db != nil {
		d.biasGradient.run(d.b.output(db, d.c).f32, numbers(dy, d.y), d.spec.BatchNorm)
	}
}

func (d *dense) packJob(_, job int) {
	s := &d.spec
	j := job * d.columns
	d.b.level.PackMatrix(d.packed, ops.Matrix{Data: d.yData, RowStride: s.Out, ColStride: 1}, s.N, j, min(d.columns, s.Out-j))
}

func (d *dense) filterJob(worker, job int) {
	s := &d.spec
	i, end := part(d.part.Len(), d.rows, job)
	d.b.level.GemmPacked(d.wData[i*s.Out:], s.Out, ops.Matrix{Data: d.xData[d.part.From+i:], RowStride: 1, ColStride: s.In},
		d.packed, end-i, s.Out, s.N, ops.Product{}, d.b.scratch(worker))
}

// BackwardData computes dx.
func (d *dense) BackwardData(dx, dy, w tensor.Tensor) {
	d.xData, d.yData, d.wData = d.b.output(dx, d.x).f32, numbers(dy, d.y).f32, data(w, d.w)
	d.packed = d.b.common.of(0)
	d.b.pool.run(groups(d.spec.N), d.packTransposedTask)
	d.b.pool.run(blocks(d.part.Len(), d.rows), d.dataTask)
}

func (d *dense) packTransposedJob(_, job int) {
	s := &d.spec
	j := job * ops.GroupColumns
	d.b.level.PackMatrix(d.packed, ops.Matrix{Data: d.yData, RowStride: 1, ColStride: s.Out}, s.Out, j, min(ops.GroupColumns, s.N-j))
}

func (d *dense) dataJob(worker, job int) {
	s := &d.spec
	i, end := part(d.part.Len(), d.rows, job)
	rows, scratch := end-i, d.b.scratch(worker)
	dx, scratch := scratch[:rows*s.N], scratch[rows*s.N:]
	d.b.level.GemmPacked(dx, s.N, ops.Matrix{Data: d.wData[i*s.Out:], RowStride: s.Out, ColStride: 1},
		d.packed, rows, s.N, s.Out, ops.Product{}, scratch)
	d.b.level.Transpose(d.xData[d.part.From+i:], s.In, dx, s.N, rows, s.N)
}
