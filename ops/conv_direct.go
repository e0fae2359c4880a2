package ops

// The direct algorithm: implicit im2col and a matrix product. The im2col matrix has a row for each
// output pixel, and In columns for each tap. It is not in memory (but see gatheredPass): in the
// layout HWNC those columns of adjacent rows are rows of the image itself, with stride In, and a
// tap on padding is left out of the sum.

// Direct is the direct algorithm. It fits all shapes.
var Direct ConvAlgorithm[float32] = direct{}

type direct struct{}

func (direct) String() string        { return "im2col" }
func (direct) Fits(_ ConvShape) bool { return true }

func (direct) Forward(l Level, s ConvShape, workers int) Pass[float32] {
	return newDirectPass(l, s, false, workers)
}

func (direct) InputGradient(l Level, s ConvShape, workers int) Pass[float32] {
	return newDirectPass(l, s.transposed(), true, workers)
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
	shape   ConvShape
	rotated bool // the kernel, as in the input gradient
	blocks  []convBlock
	ranges  int // of blocks: a job computes a range and one column block
}

func newDirectPass(l Level, s ConvShape, rotated bool, workers int) Pass[float32] {
	p := directPass{level: l, shape: s, rotated: rotated}
	if s.gathered() {
		return newGatheredPass(p, workers)
	}
	p.blocks = s.blocks()
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
	taps := p.shape.taps()
	runs := min(taps, divUp(p.shape.depth(), convDepth))
	for r := range runs {
		for i := range blocks {
			p.addTaps(y, x, packed, &blocks[i], taps*r/runs, taps*(r+1)/runs, j, e, scratch)
		}
	}
}

// addTaps adds to columns from j on of a block what taps first to last contribute.
func (p *directPass) addTaps(y, x, packed []float32, block *convBlock, first, last, j int, e Epilogue, scratch []float32) {
	l, s := p.level, &p.shape
	width := l.panelWidth()
	var array [maxTaps]segment
	segs, flags := array[:0], 0
	for i, tap := range block.taps[:block.tapsInside] {
		switch {
		case tap.b < first:
			flags |= tileAdd
		case tap.b < last:
			segs = append(segs, segment{a: tap.a * s.In, b: tap.b * s.In * width})
			if e.ReLU && i == block.tapsInside-1 {
				flags |= tileReLU
			}
		}
	}
	if len(segs) == 0 {
		return
	}
	for end := min(s.Out, j+columnBlock); j < end; j += width {
		out := blockC{y[block.first*s.Out+j:], s.Out, block.rows, min(width, end-j)}
		l.panelOf(out, x, s.In, 1, packed[j*s.depth():], segs, s.In, e.bias(j), flags, prefetch{}, scratch)
	}
}
