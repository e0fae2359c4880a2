package ops

import "github.com/lamina-go/lamina/tensor"

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

// The most channels that a job has; gradientTapBF16 is for a kernel of one tap.
const (
	gradientInBF16  = 64
	gradientTapBF16 = 512
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
	if l < AVX512BF16 || product.taps() == 1 {
		return most
	}
	return min(padBF16(max(1, 512/product.W)), most)
}

// productBF16 returns s, or if its input channels would fill few rows, the 1x1 convolution whose
// input channels are the taps of s. A kernel of one tap needs no stride either.
func (s ConvShape) productBF16() ConvShape {
	if s.In < depthBF16 || s.taps() == 1 {
		s.In = s.depth()
		s.H, s.W = s.OutputSize()
		s.Window = tensor.Square(1, 1)
	}
	return s
}

// newDirectGradientBF16 divides the gradient by the shape and the level only, so that the sums
// don't depend on the number of workers.
func newDirectGradientBF16(l Level, shape ConvShape) *directGradientBF16 {
	const enough = 16
	s := shape.productBF16()
	ins, outs := 1, divUp(s.Out, gradientOutBF16)
	switch {
	case s.taps() > 1:
		ins = divUp(s.In, gradientInBF16)
	case s.In == shape.In:
		ins = divUp(s.In, gradientTapBF16)
	}
	splits := s.worthSplits(max(1, enough/(ins*outs)))
	images := l.imagesBF16(s)
	blocks := divUp(s.N, images)
	byImage := min(splits, blocks) // rows of x at the edge of a split are transposed for both
	height, width := s.OutputSize()
	byRow := min(splits/byImage, height)
	g := &directGradientBF16{level: l, shape: shape, product: s, images: images, splits: byImage * byRow}
	for split := range g.splits {
		n, h := split%byImage, split/byImage
		for in := range ins {
			for out := range outs {
				g.jobs = append(g.jobs, gradientJobBF16{
					split: split,
					i0:    s.In * in / ins, i1: s.In * (in + 1) / ins,
					j0: out * gradientOutBF16, j1: min(s.Out, (out+1)*gradientOutBF16),
					p0: height * h / byRow * width, p1: height * (h + 1) / byRow * width,
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
}

func (g *directGradientBF16) buffers(job *gradientJobBF16) gradientBuffers {
	s := &g.product
	r := gradientBuffers{
		images:   g.images,
		channels: job.i1 - job.i0,
		panels:   divUp(job.j1-job.j0, panelBF16),
	}
	height, width := s.OutputSize()
	r.pixels = min(gradientDepthBF16/r.images, height*width)
	for p := job.p0; p < job.p1; p += r.pixels {
		from, to := s.seen(p, min(p+r.pixels, job.p1))
		r.slots = max(r.slots, to-from)
	}
	if g.gathers() {
		r.channels = padBF16(r.channels) // as gather makes them
	}
	return r
}

// seen returns the pixels of x that pixels p0 to p1 of y see: all of them are from from on and
// before to, which both grow with the pixels.
func (s *ConvShape) seen(p0, p1 int) (from, to int) {
	_, width := s.OutputSize()
	v := &s.Window
	first := func(h, w int) int { return (h*v.StrideH-v.Top)*s.W + w*v.StrideW - v.Left } // pixel that y(h, w) sees
	h, last := p0/width, (p1-1)/width
	from = min(first(h, p0%width), first(h+1, 0))
	to = max(first(last, (p1-1)%width), first(last-1, width-1)) + (v.Height-1)*s.W + v.Width
	return max(0, from), min(to, s.H*s.W)
}

// gathers reports whether the input channels of the product are the taps of the shape.
func (g *directGradientBF16) gathers() bool { return g.product.In != g.shape.In }

func (r *gradientBuffers) sizeX() int        { return r.slots * r.channels * r.images }
func (r *gradientBuffers) sizeDY() int       { return r.panels * r.pixels * panelBF16 * r.images }
func (r *gradientBuffers) sizeGathered() int { return r.channels * r.images }

func (g *directGradientBF16) Scratch() int {
	n := 0
	for i := range g.jobs {
		job := &g.jobs[i]
		r := g.buffers(job)
		sums := g.product.taps() * (job.i1 - job.i0) * r.panels * panelBF16
		begun := (g.product.taps() + 15) &^ 15 // keeps what follows aligned
		n = max(n, (r.sizeX()+r.sizeDY()+r.sizeGathered())/2+sums+begun)
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
	begun, scratch := scratch[:s.taps()], scratch[(s.taps()+15)&^15:] // 1 for a tap whose sums are begun
	clear(begun)
	pass := s.forward()
	for n := job.n0; n < job.n1; n += r.images {
		images := min(r.images, job.n1-n)
		depth := padBF16(images)
		next := 0 // pixel of x to transpose
		for p0 := job.p0; p0 < job.p1; p0 += r.pixels {
			p1 := min(p0+r.pixels, job.p1)
			from, to := s.seen(p0, p1)
			for next = max(next, from); next < to; next++ {
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
				down, right := t/s.Window.Width-pass.h.pad, t%s.Window.Width-pass.w.pad
				for p := p0; p < p1; p++ {
					h, w := p/pass.w.out*pass.h.step+down, p%pass.w.out*pass.w.step+right
					if h >= 0 && h < s.H && w >= 0 && w < s.W {
						segs = append(segs, segment{a: (h*s.W + w) % r.slots * r.channels * depth, b: (p - p0) * panelBF16 * depth})
					}
				}
				if len(segs) == 0 {
					continue
				}
				flags := 0
				if begun[t] > 0 {
					flags = tileAdd
				}
				begun[t] = 1
				for i := range r.panels {
					l.panelBF16(sums[t*tap+i*panelBF16:], ldc, channels, transposedX, depth,
						transposedDY[i*r.pixels*panelBF16*depth:], segs, depth, flags, prefetchBF16{}, scratch)
				}
			}
		}
	}
	for t := range s.taps() {
		from, to := sums[t*tap:][:tap], dw[(t*s.In+job.i0)*s.Out+job.j0:]
		if begun[t] == 0 {
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
	if g.product == g.shape {
		l.transposeBF16(to, padBF16(images), x[(pixel*s.N+n)*s.In+job.i0:], s.In, images, channels, scratch)
		return
	}
	pass := s.forward()
	down, right := pass.h.view(pixel/pass.w.out), pass.w.view(pixel%pass.w.out)
	x = x[((down.at*s.W+right.at)*s.N+n)*s.In:]
	if !g.gathers() { // there is one tap
		l.transposeBF16(to, padBF16(images), x[job.i0:], s.In, images, channels, scratch)
		return
	}
	rows := AsBF16(scratch)[:images*channels]
	l.gather(rows, channels, x, &pass, down, right, images)
	l.transposeBF16(to, padBF16(images), rows, channels, images, channels, scratch[channels*padBF16(images)/2:])
}
