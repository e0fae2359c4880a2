package cpu

import "github.com/lamina-go/lamina/ops"

// biasGradient sums dy over all pixels and images: each job over some rows, then the sums
// of the jobs in order.
type biasGradient struct {
	b          *Backend
	rows, cols int

	dy   array
	sums []float32
	task func(worker, job int)
}

// biasRows is the number of rows of dy that a job sums.
const biasRows = 512

func (g *biasGradient) jobs() int { return blocks(g.rows, biasRows) }

func (g *biasGradient) init(b *Backend, rows, cols int) error {
	*g = biasGradient{b: b, rows: rows, cols: cols}
	g.task = g.job
	if err := b.reserve(cols); err != nil {
		return err
	}
	return b.reserveCommon(g.jobs() * cols)
}

// run sets db to the sums: exactly zero where batch normalisation follows, which takes
// any constant away again.
func (g *biasGradient) run(db []float32, dy array, batchNorm bool) {
	clear(db)
	if batchNorm {
		return
	}
	g.dy, g.sums = dy, g.b.common.of(0)[:g.jobs()*g.cols]
	g.b.pool.run(g.jobs(), g.task)
	for i := range g.jobs() {
		ops.Add(db, g.sums[i*g.cols:][:g.cols])
	}
}

func (g *biasGradient) job(worker, job int) {
	sum := g.sums[job*g.cols:][:g.cols]
	clear(sum)
	for r := job * biasRows; r < min((job+1)*biasRows, g.rows); r++ {
		ops.Add(sum, g.dy.load(g.b.level, g.b.scratch(worker), r*g.cols, (r+1)*g.cols))
	}
}
