package ops

// The gradient of a kernel in bf16. The sum is over images and pixels, so both operands are turned first:
// x to a block of (channels, images) for each pixel, and dy to pairs of images, filled up with zeros to a multiple
// of 32. A job does it itself, some pixels of some images at a time, so that what is turned stays in the second-level
// cache: turning x for each of a job's output channels anew costs less than memory does.

// FilterJobBF16 is a part of the gradient of a kernel: some input and some output channels, summed over some pixels
// and some images. The jobs of one Split are the whole gradient summed over the same.
type FilterJobBF16 struct {
	Split                          int
	whole                          bool // there is no other split
	i0, i1, j0, j1, p0, p1, n0, n1 int
}

// A job has so many channels at most.
const (
	filterInBF16  = 64
	filterOutBF16 = 2 * GroupColumns
)

// filterDepthBF16 is how many pixels times images are turned at a time. The more, the less often sums are loaded and stored.
const filterDepthBF16 = 2048

// filterImages is the number of images that are turned at a time: few where rows of a picture are long, if three of x are kept.
// Levels that widen operands do so for a pixel of these at a time, and have more to do anyway.
func (l Level) filterImages(s ConvShape) int {
	const most = 128
	if l < AVX512BF16 || s.filterProduct().Kernel == 1 {
		return most
	}
	return min(PadBF16(max(1, 512/s.W)), most)
}

// filterProduct is the convolution whose gradient is summed: s, or if its input channels would fill few rows, that of
// 1x1 whose input channels are the taps of s.
func (s ConvShape) filterProduct() ConvShape {
	if s.In < depthBF16 {
		s.In, s.Kernel = s.taps()*s.In, 1
	}
	return s
}

// FilterJobsBF16 divides the gradient of a kernel, and tells into how many splits. It depends on the shape and the level
// only, so that sums do not depend on the number of workers.
func (l Level) FilterJobsBF16(s ConvShape) (jobs []FilterJobBF16, splits int) {
	const enough = 16
	s = s.filterProduct()
	ins, outs := 1, (s.Out+filterOutBF16-1)/filterOutBF16
	if s.Kernel > 1 {
		ins = (s.In + filterInBF16 - 1) / filterInBF16
	}
	splits = max(1, enough/(ins*outs))
	for splits > 1 && 2*splits*s.taps()*s.In*s.Out > s.N*s.H*s.W*(s.In+s.Out) {
		splits /= 2 // each costs a gradient more
	}
	images := l.filterImages(s)
	blocks := (s.N + images - 1) / images
	byImage := min(splits, blocks) // rows of x at the edge of a split are turned for both
	byRow := min(splits/byImage, s.H)
	splits = byImage * byRow
	for split := range splits {
		n, h := split%byImage, split/byImage
		for in := range ins {
			for out := range outs {
				jobs = append(jobs, FilterJobBF16{
					Split: split, whole: splits == 1,
					i0: s.In * in / ins, i1: s.In * (in + 1) / ins,
					j0: out * filterOutBF16, j1: min(s.Out, (out+1)*filterOutBF16),
					p0: s.H * h / byRow * s.W, p1: s.H * (h + 1) / byRow * s.W,
					n0: blocks * n / byImage * images, n1: min(s.N, blocks*(n+1)/byImage*images),
				})
			}
		}
	}
	return jobs, splits
}

// filterRoom is how much a job has turned at a time.
type filterRoom struct {
	images   int
	pixels   int // of dy
	places   int // of pixels of x, as many as those of dy see; pixel p has place p modulo these
	channels int // rows of a pixel of x
	groups   int // of dy
	reach    int // how far away a pixel is that a tap sees
}

func (l Level) filterRoom(s ConvShape, job FilterJobBF16) filterRoom {
	q := s.filterProduct()
	r := filterRoom{
		images:   l.filterImages(s),
		channels: job.i1 - job.i0,
		groups:   (job.j1 - job.j0 + panelBF16 - 1) / panelBF16,
		reach:    q.Kernel / 2 * (s.W + 1),
	}
	r.pixels = min(filterDepthBF16/r.images, s.H*s.W)
	r.places = min(r.pixels+2*r.reach, s.H*s.W)
	if q != s {
		r.channels = PadBF16(r.channels) // as gather makes them
	}
	return r
}

func (r *filterRoom) sizeX() int        { return r.places * r.channels * r.images }
func (r *filterRoom) sizeDY() int       { return r.groups * r.pixels * panelBF16 * r.images }
func (r *filterRoom) sizeGathered() int { return r.channels * r.images }

// FilterScratchBF16 returns the number of floats that ConvBackwardFilterBF16 needs for any job.
func (l Level) FilterScratchBF16(s ConvShape, jobs []FilterJobBF16) int {
	n := 0
	for _, job := range jobs {
		r := l.filterRoom(s, job)
		sums := s.filterProduct().taps() * (job.i1 - job.i0) * r.groups * panelBF16
		n = max(n, (r.sizeX()+r.sizeDY()+r.sizeGathered())/2+sums)
	}
	return n + max(l.scratchBF16(), TransposeScratchBF16(l.filterImages(s)))
}

// ConvBackwardFilterBF16 is ConvBackwardFilter with dy and x in BF16.
func (l Level) ConvBackwardFilterBF16(dw []float32, dy, x []BF16, s ConvShape, job FilterJobBF16, scratch []float32) {
	r := l.filterRoom(s, job)
	turnedX, scratch := AsBF16(scratch)[:r.sizeX()], scratch[r.sizeX()/2:]
	turnedDY, scratch := AsBF16(scratch)[:r.sizeDY()], scratch[r.sizeDY()/2:]
	q := s.filterProduct()
	channels, columns := job.i1-job.i0, job.j1-job.j0

	ldc := r.groups * panelBF16 // of the sums, which stay in the cache until all are done
	tap := channels * ldc
	sums, scratch := scratch[:q.taps()*tap], scratch[q.taps()*tap:]
	var begun [9]bool
	for n := job.n0; n < job.n1; n += r.images {
		images := min(r.images, job.n1-n)
		depth := PadBF16(images)
		turned := max(0, job.p0-r.reach) // pixels of x before
		for p0 := job.p0; p0 < job.p1; p0 += r.pixels {
			p1 := min(p0+r.pixels, job.p1)
			for ; turned < min(p1+r.reach, s.H*s.W); turned++ {
				l.turnX(turnedX[turned%r.places*r.channels*depth:], x, s, job, r.channels, turned, n, images, scratch)
			}
			for g := range r.groups {
				for p := p0; p < p1; p++ {
					to, j := turnedDY[(g*r.pixels+p-p0)*panelBF16*depth:], job.j0+g*panelBF16
					l.interleave(to, panelBF16, dy[(p*s.N+n)*s.Out+j:], s.Out, images, min(panelBF16, job.j1-j))
				}
			}
			for t := range q.taps() {
				var room [filterDepthBF16 / depthBF16]segment
				segs := room[:0]
				dh, dw := t/q.Kernel-q.Kernel/2, t%q.Kernel-q.Kernel/2
				for p := p0; p < p1; p++ {
					h, w := p/s.W+dh, p%s.W+dw
					if h >= 0 && h < s.H && w >= 0 && w < s.W {
						segs = append(segs, segment{a: (h*s.W + w) % r.places * r.channels * depth, b: (p - p0) * panelBF16 * depth})
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
				for g := range r.groups {
					l.panelBF16(sums[t*tap+g*panelBF16:], ldc, channels, turnedX, depth, turnedDY[g*r.pixels*panelBF16*depth:], segs, depth, flags, prefetchBF16{}, scratch)
				}
			}
		}
	}
	for t := range q.taps() {
		from, to := sums[t*tap:][:tap], dw[(t*q.In+job.i0)*s.Out+job.j0:]
		if !begun[t] {
			clear(from)
		}
		if job.whole { // else it is read again soon
			l.StoreRows(to, s.Out, from, ldc, channels, columns)
			continue
		}
		for i := range channels {
			copy(to[i*s.Out:][:columns], from[i*ldc:])
		}
	}
}

// turnX turns a job's channels of some images of a pixel of x.
func (l Level) turnX(to, x []BF16, s ConvShape, job FilterJobBF16, channels, pixel, n, images int, scratch []float32) {
	first := pixel*s.N + n
	if q := s.filterProduct(); q == s {
		l.TransposeBF16(to, PadBF16(images), x[first*s.In+job.i0:], s.In, images, channels, scratch)
		return
	}
	h, w := pixel/s.W, pixel%s.W
	block := s.block(h, w, w+1).at(first, images)
	rows := AsBF16(scratch)[:images*channels]
	l.gather(rows, x, s, &block, channels)
	l.TransposeBF16(to, PadBF16(images), rows, channels, images, channels, scratch[channels*PadBF16(images)/2:])
}
