package ops

// The kernel gradient by the direct algorithm: for each tap the product of xᵀ, shifted by the tap,
// and dy, over all pixels and images inside. In the layout HWNC these are rows of both matrices in
// order, so x is read in place, and dy is packed once for all taps. With a stride, adjacent pixels
// of dy see pixels of x that are apart.

// gradientDepth is how many rows of dy are packed at a time, at least those of one pixel.
const gradientDepth = 512

// directGradient is a kernel gradient by the direct algorithm.
type directGradient struct {
	unpacked[float32]
	level  Level
	shape  ConvShape
	pass   convPass // the forward pass
	jobs   []gradientJob
	splits int
}

// gradientJob is a block of dw: some input channels and a column block, summed over some rows of
// the images of dy. The jobs of a split are all of dw, summed over the same rows.
type gradientJob struct {
	split, column  int // column is the first one
	i0, i1, h0, h1 int
}

// newDirectGradient divides the gradient by the shape only, so that the sums don't depend on
// the number of workers.
func newDirectGradient(l Level, s ConvShape) *directGradient {
	// About 16 jobs at least, and as little traffic as possible: a job of all input channels reads
	// x and dy once.
	const enough = 16
	h, _ := s.OutputSize()
	splits := s.worthSplits(max(1, min(enough/s.columnBlocks(), h)))
	ins := divUp(s.In, 64)
	for ins*8 < s.In && ins*splits*s.columnBlocks() < enough {
		ins++
	}
	g := &directGradient{level: l.forColumns(s.Out), shape: s, pass: s.forward(), splits: splits}
	for split := range splits {
		for in := range ins {
			for j := 0; j < s.Out; j += columnBlock {
				g.jobs = append(g.jobs, gradientJob{
					split: split, column: j,
					i0: s.In * in / ins, i1: s.In * (in + 1) / ins,
					h0: h * split / splits, h1: h * (split + 1) / splits,
				})
			}
		}
	}
	return g
}

func (g *directGradient) Splits() int       { return g.splits }
func (g *directGradient) Jobs() int         { return len(g.jobs) }
func (g *directGradient) Split(job int) int { return g.jobs[job].split }

// pixels returns how many pixels of a row of dy are packed at a time.
func (g *directGradient) pixels() int { return max(1, min(g.pass.w.out, gradientDepth/g.shape.N)) }

func (g *directGradient) Scratch() int {
	channels := 0
	for _, j := range g.jobs {
		channels = max(channels, j.i1-j.i0)
	}
	columns := min(columnBlock, g.level.wholePanels(g.shape.Out))
	n := columns * (g.shape.taps()*channels + g.pixels()*g.shape.N)
	if g.shape.In == 1 {
		n += g.shape.taps() * g.rowStride()
	}
	return n
}

// rowStride returns the stride of the rows that tapRows makes: not a power of two, with which they
// would share few sets of a cache.
func (g *directGradient) rowStride() int { return g.pixels()*g.shape.N + 16 }

// seen returns what pixels w0 to w1 of row h of dy see by a tap: pixels from to to see row down of
// x, column right of it and on, a stride apart. There are none if to is at most from.
func (g *directGradient) seen(tap, h, w0, w1 int) (from, to, down, right int) {
	a, b := &g.pass.h, &g.pass.w
	down = h*a.step + tap/b.taps - a.pad
	if down < 0 || down >= a.in {
		return 0, 0, 0, 0
	}
	from, to = b.inside(tap % b.taps)
	from, to = max(w0, from), min(w1, to)
	return from, to, down, from*b.step + tap%b.taps - b.pad
}

// tapRows makes a row for each tap of what pixels w0 to w1 of row h of dy see, all images: of an x
// of one channel, whose taps have products of one row otherwise.
func (g *directGradient) tapRows(rows, x []float32, h, w0, w1 int) {
	n, step := g.shape.N, g.pass.w.step
	clear(rows)
	for t := range g.shape.taps() {
		from, to, down, right := g.seen(t, h, w0, w1)
		run := 1 // pixels that are adjacent in x
		if step == 1 {
			run = max(1, to-from)
		}
		for p := from; p < to; p += run {
			at := (down*g.shape.W + right + (p-from)*step) * n
			copy(rows[t*g.rowStride()+(p-w0)*n:][:run*n], x[at:])
		}
	}
}

func (g *directGradient) Run(dw, dy, x, _ []float32, job int, scratch []float32) {
	l, s, pass, block := g.level, &g.shape, &g.pass, &g.jobs[job]
	width := l.panelWidth()
	j := block.column
	columns := min(columnBlock, s.Out-j)
	panels := divUp(columns, width)
	channels := block.i1 - block.i0

	// The sums are stored [panel][tap][channel][width]: contiguous, and in whole panels.
	sums := scratch[:panels*s.taps()*channels*width]
	packed, rows := scratch[len(sums):], scratch[:0]
	if s.In == 1 {
		rows, packed = packed[:s.taps()*g.rowStride()], packed[s.taps()*g.rowStride():]
	}
	clear(sums)
	var array [gradientDepth]segment
	for h := block.h0; h < block.h1; h++ {
		for w0 := 0; w0 < pass.w.out; w0 += g.pixels() {
			w1 := min(w0+g.pixels(), pass.w.out)
			depth := (w1 - w0) * s.N
			l.packPanels(packed, depth*width, dy[(h*pass.w.out+w0)*s.N*s.Out+j:], s.Out, 1, depth, columns)
			if s.In == 1 {
				g.tapRows(rows, x, h, w0, w1)
				array[0] = segment{}
				for p := range panels {
					l.panel(sums[p*s.taps()*width:], width, s.taps(), rows, g.rowStride(), 1,
						packed[p*depth*width:], width, array[:1], depth, nil, tileAdd, prefetch{})
				}
				continue
			}
			for t := range s.taps() {
				from, to, down, right := g.seen(t, h, w0, w1)
				if from >= to {
					continue
				}
				segs, stride, k := array[:1], s.In, (to-from)*s.N
				segs[0] = segment{
					a: (down*s.W+right)*s.N*s.In + block.i0,
					b: (from - w0) * s.N * width,
				}
				switch {
				case s.N == 1:
					stride *= pass.w.step
				case pass.w.step > 1:
					segs, k = array[:to-from], s.N
					for i := range segs[1:] {
						segs[i+1] = segment{segs[i].a + pass.w.step*s.N*s.In, segs[i].b + s.N*width}
					}
				}
				for p := range panels {
					l.panel(sums[(p*s.taps()+t)*channels*width:], width, channels, x, 1, stride,
						packed[p*depth*width:], width, segs, k, nil, tileAdd, prefetch{})
				}
			}
		}
	}
	for p := range panels {
		m := min(width, columns-p*width)
		for t := range s.taps() {
			for i := range channels {
				copy(dw[(t*s.In+block.i0+i)*s.Out+j+p*width:][:m], sums[((p*s.taps()+t)*channels+i)*width:])
			}
		}
	}
}
