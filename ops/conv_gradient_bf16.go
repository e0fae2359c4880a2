package ops

// The kernel gradient on bf16. The sum is over images and pixels, so both operands are transposed
// first: x to a block of (channels, images) for each pixel, and dy to pairs of images, padded with
// zeros to a multiple of 32. A job does this itself, for some pixels of some images at a time, so
// that the blocks stay in the L2 cache. Transposing x again for each block of output channels costs
// less than memory traffic would.

// directGradientBF16 is a kernel gradient by the direct algorithm.
type directGradientBF16 struct {
	unpacked[BF16]
	level   Level
	shape   ConvShape
	product ConvShape // the convolution whose gradient is summed
	images  int       // transposed at a time
	jobs    []gradientJobBF16
	splits  int
}

// gradientJobBF16 is a block of dw: some input and some output channels, summed over some pixels
// and some images. The jobs of a split are all of dw, summed over the same.
type gradientJobBF16 struct {
	split                          int
	i0, i1, j0, j1, p0, p1, n0, n1 int
}

// The most channels that a job has.
const (
	gradientInBF16  = 64
	gradientOutBF16 = 2 * columnBlock
)

// gradientDepthBF16 is how many pixels times images are transposed at a time. The more, the less
// often sums are loaded and stored.
const gradientDepthBF16 = 2048

// imagesBF16 returns how many images are transposed at a time: few where rows of the image are
// long, if three of x are kept. Levels that widen operands do so for a pixel of these images at a
// time, and spend most of their time there anyway.
func (l Level) imagesBF16(product ConvShape) int {
	const most = 128
	if l < AVX512BF16 || product.Kernel == 1 {
		return most
	}
	return min(padBF16(max(1, 512/product.W)), most)
}

// productBF16 returns s, or if its input channels would fill few rows, the 1x1 convolution whose
// input channels are the taps of s.
func (s ConvShape) productBF16() ConvShape {
	if s.In < depthBF16 {
		s.In, s.Kernel = s.depth(), 1
	}
	return s
}

// newDirectGradientBF16 divides the gradient by the shape and the level only, so that the sums
// don't depend on the number of workers.
func newDirectGradientBF16(l Level, shape ConvShape) *directGradientBF16 {
	const enough = 16
	s := shape.productBF16()
	ins, outs := 1, divUp(s.Out, gradientOutBF16)
	if s.Kernel > 1 {
		ins = divUp(s.In, gradientInBF16)
	}
	splits := s.worthSplits(max(1, enough/(ins*outs)))
	images := l.imagesBF16(s)
	blocks := divUp(s.N, images)
	byImage := min(splits, blocks) // rows of x at the edge of a split are transposed for both
	byRow := min(splits/byImage, s.H)
	g := &directGradientBF16{level: l, shape: shape, product: s, images: images, splits: byImage * byRow}
	for split := range g.splits {
		n, h := split%byImage, split/byImage
		for in := range ins {
			for out := range outs {
				g.jobs = append(g.jobs, gradientJobBF16{
					split: split,
					i0:    s.In * in / ins, i1: s.In * (in + 1) / ins,
					j0: out * gradientOutBF16, j1: min(s.Out, (out+1)*gradientOutBF16),
					p0: s.H * h / byRow * s.W, p1: s.H * (h + 1) / byRow * s.W,
					n0: blocks * n / byImage * images, n1: min(s.N, blocks*(n+1)/byImage*images),
				})
			}
		}
	}
	return g
}

func (g *directGradientBF16) Splits() int       { return g.splits }
func (g *directGradientBF16) Jobs() int         { return len(g.jobs) }
func (g *directGradientBF16) Split(job int) int { return g.jobs[job].split }

// gradientBuffers are the sizes of what a job has transposed at a time.
type gradientBuffers struct {
	images   int
	pixels   int // of dy
	slots    int // pixels of x, as many as those of dy see; pixel p is in slot p modulo slots
	channels int // rows of a pixel of x
	panels   int // of dy
	reach    int // how many pixels away a tap is at most
}

func (g *directGradientBF16) buffers(job *gradientJobBF16) gradientBuffers {
	s := &g.product
	r := gradientBuffers{
		images:   g.images,
		channels: job.i1 - job.i0,
		panels:   divUp(job.j1-job.j0, panelBF16),
		reach:    s.Kernel / 2 * (s.W + 1),
	}
	r.pixels = min(gradientDepthBF16/r.images, s.H*s.W)
	r.slots = min(r.pixels+2*r.reach, s.H*s.W)
	if g.gathers() {
		r.channels = padBF16(r.channels) // as gather makes them
	}
	return r
}

// gathers reports whether the input channels of the product are the taps of the shape.
func (g *directGradientBF16) gathers() bool { return g.product != g.shape }

func (r *gradientBuffers) sizeX() int        { return r.slots * r.channels * r.images }
func (r *gradientBuffers) sizeDY() int       { return r.panels * r.pixels * panelBF16 * r.images }
func (r *gradientBuffers) sizeGathered() int { return r.channels * r.images }

func (g *directGradientBF16) Scratch() int {
	n := 0
	for i := range g.jobs {
		job := &g.jobs[i]
		r := g.buffers(job)
		sums := g.product.taps() * (job.i1 - job.i0) * r.panels * panelBF16
		n = max(n, (r.sizeX()+r.sizeDY()+r.sizeGathered())/2+sums)
	}
	return n + max(g.level.scratchBF16(), transposeScratchBF16(g.images))
}

func (g *directGradientBF16) Run(dw []float32, dy, x, _ []BF16, jobIndex int, scratch []float32) {
	l, s, job := g.level, &g.product, &g.jobs[jobIndex]
	r := g.buffers(job)
	transposedX, scratch := AsBF16(scratch)[:r.sizeX()], scratch[r.sizeX()/2:]
	transposedDY, scratch := AsBF16(scratch)[:r.sizeDY()], scratch[r.sizeDY()/2:]
	channels, columns := job.i1-job.i0, job.j1-job.j0

	ldc := r.panels * panelBF16 // of the sums, which stay in the cache until all are done
	tap := channels * ldc
	sums, scratch := scratch[:s.taps()*tap], scratch[s.taps()*tap:]
	var begun [maxTaps]bool
	for n := job.n0; n < job.n1; n += r.images {
		images := min(r.images, job.n1-n)
		depth := padBF16(images)
		next := max(0, job.p0-r.reach) // pixel of x to transpose
		for p0 := job.p0; p0 < job.p1; p0 += r.pixels {
			p1 := min(p0+r.pixels, job.p1)
			for ; next < min(p1+r.reach, s.H*s.W); next++ {
				g.transposeX(transposedX[next%r.slots*r.channels*depth:], x, job, r.channels, next, n, images, scratch)
			}
			for i := range r.panels {
				for p := p0; p < p1; p++ {
					to, j := transposedDY[(i*r.pixels+p-p0)*panelBF16*depth:], job.j0+i*panelBF16
					l.interleave(to, panelBF16, dy[(p*s.N+n)*s.Out+j:], s.Out, images, min(panelBF16, job.j1-j))
				}
			}
			for t := range s.taps() {
				var array [gradientDepthBF16 / depthBF16]segment
				segs := array[:0]
				down, right := s.offset(t)
				for p := p0; p < p1; p++ {
					h, w := p/s.W+down, p%s.W+right
					if h >= 0 && h < s.H && w >= 0 && w < s.W {
						segs = append(segs, segment{a: (h*s.W + w) % r.slots * r.channels * depth, b: (p - p0) * panelBF16 * depth})
					}
				}
				if len(segs) == 0 {
					continue
				}
				flags := 0
				if begun[t] {
					flags = tileAdd
				}
				begun[t] = true
				for i := range r.panels {
					l.panelBF16(sums[t*tap+i*panelBF16:], ldc, channels, transposedX, depth,
						transposedDY[i*r.pixels*panelBF16*depth:], segs, depth, flags, prefetchBF16{}, scratch)
				}
			}
		}
	}
	for t := range s.taps() {
		from, to := sums[t*tap:][:tap], dw[(t*s.In+job.i0)*s.Out+job.j0:]
		if !begun[t] {
			clear(from)
		}
		if g.splits == 1 { // else it is read again soon
			l.storeRows(to, s.Out, from, ldc, channels, columns)
			continue
		}
		for i := range channels {
			copy(to[i*s.Out:][:columns], from[i*ldc:])
		}
	}
}

// transposeX transposes a job's channels of some images of a pixel of x.
func (g *directGradientBF16) transposeX(to, x []BF16, job *gradientJobBF16, channels, pixel, n, images int, scratch []float32) {
	l, s := g.level, &g.shape
	first := pixel*s.N + n
	if !g.gathers() {
		l.transposeBF16(to, padBF16(images), x[first*s.In+job.i0:], s.In, images, channels, scratch)
		return
	}
	h, w := pixel/s.W, pixel%s.W
	block := s.block(h, w, w+1).at(first, images)
	rows := AsBF16(scratch)[:images*channels]
	l.gather(rows, x, s, &block, channels)
	l.transposeBF16(to, padBF16(images), rows, channels, images, channels, scratch[channels*padBF16(images)/2:])
}
