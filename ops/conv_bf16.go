package ops

// The direct algorithm on bf16. Rows and columns are divided as in float32; the sums are float32
// until y is rounded. Where the input channels don't fill whole steps of 32, the im2col matrix is
// made after all, a block of rows at a time: its rows need less padding than each of their taps
// would.

// DirectBF16 is the direct algorithm on bf16. It fits all shapes.
var DirectBF16 ConvAlgorithm[BF16] = directBF16{}

type directBF16 struct{ direct }

func (directBF16) Forward(l Level, s ConvShape, _ int) Pass[BF16] {
	return newDirectPassBF16(l, s.forward(), false)
}

func (directBF16) InputGradient(l Level, s ConvShape, _ int) Pass[BF16] {
	return newDirectPassBF16(l, s.inputGradient(), true)
}

func (directBF16) KernelGradient(l Level, s ConvShape, _ int) Gradient[BF16] {
	return newDirectGradientBF16(l, s)
}

// directPassBF16 is a pass by the direct algorithm. The forward pass reads the kernel as it is
// packed already.
type directPassBF16 struct {
	level   Level
	shape   convPass
	rotated bool // the kernel, as in the input gradient
	ranges  [][]convBlock
}

func newDirectPassBF16(l Level, s convPass, rotated bool) *directPassBF16 {
	s = s.flat()
	return &directPassBF16{l, s, rotated, s.rangesBF16()}
}

// gathersBF16 reports whether a pass makes the im2col matrix.
func (p *convPass) gathersBF16() bool { return p.In%depthBF16 != 0 }

// rangeRowsBF16 is the largest number of rows of the im2col matrix that a job takes. It reads the
// packed column block of the kernel once, which stays in the L2 cache.
const rangeRowsBF16 = 1024

// rangesBF16 divides the blocks of rows into ranges short enough that there are enough jobs.
func (s *convPass) rangesBF16() [][]convBlock {
	const enough = 16
	most := min(s.rows()*s.columnBlocks()/enough, rangeRowsBF16)
	var ranges [][]convBlock
	blocks := s.blocks(panelBF16, false)
	for len(blocks) > 0 {
		n, rows := 1, blocks[0].rows
		for n < len(blocks) && rows+blocks[n].rows <= most {
			rows += blocks[n].rows
			n++
		}
		ranges = append(ranges, blocks[:n])
		blocks = blocks[n:]
	}
	return ranges
}

func (p *directPassBF16) Packs() Packs {
	if p.rotated {
		return PacksKernel
	}
	return PacksNothing
}

func (p *directPassBF16) PackedSize() int {
	if !p.rotated {
		return 0
	}
	return PackedMatrixSizeBF16(p.shape.depth(), p.shape.Out) / 2
}

func (p *directPassBF16) PackJobs() int { return p.shape.columnBlocks() }

// Pack packs a column block of the kernel (k, k, Out, In) rotated and with the channels exchanged.
func (p *directPassBF16) Pack(packed, kernel []BF16, job int, scratch []float32) {
	const stride = panelBF16 + depthBF16 // of rows: with a power of two they would share few sets of the cache
	l, s := p.level, &p.shape
	j := job * columnBlock
	columns := min(columnBlock, s.Out-j)
	depth := padBF16(s.depth())
	panel := packed[j*depth:][:panelBF16*depth]
	if columns < panelBF16 || s.In%depthBF16 != 0 {
		clear(panel)
	}
	size := padBF16(s.taps()*s.Out) * panelBF16
	rows := AsBF16(scratch)
	for t := range s.taps() {
		first := (s.taps()-1-t)*s.Out + j
		odd := first % 2 // then it is the second of a pair
		for i := 0; i < s.In; i += panelBF16 {
			n := min(panelBF16, s.In-i)
			l.separatePairs(rows, stride, kernel[i/panelBF16*size+(first-odd)*panelBF16:], columns+odd, padBF16(n))
			l.interleaveColumns(panel, t*s.In+i, rows[odd*stride:], stride, n, columns)
		}
	}
}

// Scratch returns what Run needs, which is more than Pack does.
func (p *directPassBF16) Scratch() int {
	s := &p.shape
	n := convRows*panelBF16 + p.level.scratchBF16()
	if s.gathersBF16() {
		n += convRows * padBF16(s.depth()) / 2
	}
	return n
}

func (p *directPassBF16) Jobs() int { return len(p.ranges) * p.shape.columnBlocks() }

// Run computes a column block of a range of blocks. Column blocks of the same range are adjacent
// jobs, since they read the same pixels.
func (p *directPassBF16) Run(y, x, packed []BF16, e Epilogue, job int, scratch []float32) {
	l, s := p.level, &p.shape
	j := job % s.columnBlocks() * columnBlock
	columns := min(columnBlock, s.Out-j)
	panel := packed[j*padBF16(s.depth()):]
	e = e.from(j)
	blocks := p.ranges[job/s.columnBlocks()]
	for i := range blocks {
		b := &blocks[i]
		out := y[b.first*s.Out+j:]
		switch {
		case len(b.segs) == 0: // of an input gradient
			for r := range b.rows {
				clear(out[r*s.Out:][:columns])
			}
		case s.gathersBF16():
			var start [1]segment
			depth := padBF16(s.depth())
			rows := AsBF16(scratch)[:b.rows*depth]
			l.gather(rows, depth, x[b.source*s.In:], s, b.down, b.right, b.rows)
			l.panelRounded(out, s.Out, b.rows, columns, rows, depth, panel, start[:], depth, e, scratch[len(rows)/2:])
		default:
			l.panelRounded(out, s.Out, b.rows, columns, x[b.source*s.In:], s.rowStride()*s.In, panel, b.segs, s.In, e, scratch)
		}
	}
}

// gather makes n rows of the im2col matrix, with stride depth and zeros for taps outside the image.
// x begins with what the first row sees by its first tap.
func (l Level) gather(rows []BF16, depth int, x []BF16, s *convPass, down, right view, n int) {
	clear(rows)
	stride := s.rowStride() * s.In
	for i := range down.count {
		for j := range right.count { // in order: gatherWide writes zeros where the next begins
			from := x[(i*s.w.in+j)*s.N*s.In:]
			to := rows[((down.tap+i*s.h.div)*s.w.taps+right.tap+j*s.w.div)*s.In:]
			done := 0
			if stride == s.In {
				done = l.gatherWide(to, depth, from, s.In, n)
			}
			for r := done; r < n; r++ {
				copy(to[r*depth:], from[r*stride:][:s.In])
			}
		}
	}
}
