package ops

import "github.com/lamina-go/lamina/tensor"

// The direct algorithm: implicit im2col and a matrix product. The im2col matrix has a row for each
// output pixel, and In columns for each tap. It is not in memory (but see gatheredPass): in the
// layout HWNC those columns of adjacent rows are rows of the image itself, with stride In, and a
// tap on padding is left out of the sum. An input gradient is the same with the pixels of dy that
// see a pixel of dx: no zeros are inserted for a stride.

// Direct is the direct algorithm. It fits all shapes.
var Direct ConvAlgorithm[float32] = direct{}

type direct struct{}

func (direct) String() string        { return "im2col" }
func (direct) Fits(_ ConvShape) bool { return true }

func (direct) Forward(l Level, s ConvShape, workers int) Pass[float32] {
	return newDirectPass(l, s.forward(), false, workers)
}

func (direct) InputGradient(l Level, s ConvShape, workers int) Pass[float32] {
	return newDirectPass(l, s.inputGradient(), true, workers)
}

func (direct) KernelGradient(l Level, s ConvShape, _ int) Gradient[float32] {
	return newDirectGradient(l, s)
}

// convDepth is about how deep the products of a convolution are. Taps are taken together until they
// have this many rows of the packed kernel, which then stay in the L2 cache.
const convDepth = 576

// fewRows is the number of rows up to which the kernel takes longer to read than the input.
const fewRows = 256

// directPass is a pass by the direct algorithm.
type directPass struct {
	level   Level
	shape   convPass
	rotated bool // the kernel, as in the input gradient
	blocks  []convBlock
	ranges  int // of blocks: a job computes a range and one column block
}

func newDirectPass(l Level, s convPass, rotated bool, workers int) Pass[float32] {
	s, l = s.flat(), l.forColumns(s.Out)
	p := directPass{level: l, shape: s, rotated: rotated}
	if s.gathered() {
		return newGatheredPass(p, workers)
	}
	p.blocks = s.blocks(l.panelWidth(), s.joins() && l != Generic) // gonum's rows don't overlap
	p.ranges = len(p.blocks)
	if s.rows() <= fewRows {
		// A column block is one job, which reads its columns of the kernel once, or as many jobs as
		// give all workers one.
		p.ranges = min(p.ranges, divUp(workers, s.columnBlocks()))
	}
	return &p
}

func (*directPass) Packs() Packs      { return PacksKernel }
func (p *directPass) PackedSize() int { return p.level.packedSize(p.shape.depth(), p.shape.Out) }
func (p *directPass) PackJobs() int   { return p.shape.columnBlocks() }
func (p *directPass) Scratch() int    { return (convRows + 1) * p.level.panelWidth() }
func (p *directPass) Jobs() int       { return p.ranges * p.shape.columnBlocks() }

// Pack packs a column block of the kernel. A rotated one is (k, k, Out, In) in memory.
func (p *directPass) Pack(packed, kernel []float32, job int, _ []float32) {
	l, s := p.level, &p.shape
	width, depth := l.panelWidth(), s.depth()
	j := job * columnBlock
	columns := min(columnBlock, s.Out-j)
	if !p.rotated {
		l.packPanels(packed[j*depth:], depth*width, kernel[j:], s.Out, 1, depth, columns)
		return
	}
	for t := range s.taps() {
		tap := kernel[(s.taps()-1-t)*s.In*s.Out:]
		l.packPanels(packed[j*depth+t*s.In*width:], depth*width, tap[j*s.In:], 1, s.In, s.In, columns)
	}
}

// Run computes a column block of a range of blocks. Column blocks of the same range are adjacent
// jobs, since they read the same pixels. All blocks of the range take some taps before any takes
// the next ones, so that the packed kernel is read from memory once.
func (p *directPass) Run(y, x, packed []float32, e Epilogue, job int, scratch []float32) {
	i, j := job/p.shape.columnBlocks(), job%p.shape.columnBlocks()*columnBlock
	blocks := p.blocks[len(p.blocks)*i/p.ranges : len(p.blocks)*(i+1)/p.ranges]
	taps, size := p.shape.taps(), p.shape.In*p.level.panelWidth() // of a tap, in a panel
	runs := min(taps, divUp(p.shape.depth(), convDepth))
	for r := range runs {
		for i := range blocks {
			p.addTaps(y, x, packed, &blocks[i], taps*r/runs*size, taps*(r+1)/runs*size, j, e, scratch)
		}
	}
}

// addTaps adds to columns from j on of a block what the taps contribute that begin in a packed
// panel from first on, before last.
func (p *directPass) addTaps(y, x, packed []float32, block *convBlock, first, last, j int, e Epilogue, scratch []float32) {
	l, s := p.level, &p.shape
	segs := block.segs
	from := 0
	for from < len(segs) && segs[from].b < first {
		from++
	}
	to := from
	for to < len(segs) && segs[to].b < last {
		to++
	}
	end := min(s.Out, j+columnBlock)
	switch {
	case len(segs) == 0 && first == 0: // of an input gradient
		for r := range block.rows {
			clear(y[(block.first+r)*s.Out:][j:end])
		}
		return
	case from == to:
		return
	}
	flags := 0
	if from > 0 {
		flags |= tileAdd
	}
	if to < len(segs) {
		e.Function = tensor.Function{}
	} else if e.ReLU {
		flags |= tileReLU
	}
	x = x[block.source*s.In:]
	all := blockC{y[block.first*s.Out+j:], s.Out, block.rows, end - j}
	for width := l.panelWidth(); j < end; j += width {
		out := blockC{y[block.first*s.Out+j:], s.Out, block.rows, min(width, end-j)}
		l.panelOf(out, x, s.rowStride()*s.In, 1, packed[j*s.depth():], segs[from:to], block.depth, e.bias(j), flags, prefetch{}, scratch)
	}
	l.finish(all, e.Function)
}
