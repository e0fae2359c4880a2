package ops

// The gradient of a kernel in bf16. The sum is over images and pixels, so both operands are turned:
// x to a block of (channels, images) for each pixel, and dy to pairs of images. A pixel's images
// are filled up with zeros to a multiple of 32, so that the pixels which a tap sees are whole
// stretches of both.

// filterImages is how many images are summed at a time: it bounds what the blocks of x take.
const filterImages = 128

// positionsBF16 returns how many positions of a row of the picture are packed at a time.
func (s ConvShape) positionsBF16() int {
	return max(1, min(s.W, filterDepth/PadBF16(min(s.N, filterImages))))
}

// FilterScratchBF16 returns the number of floats that ConvBackwardFilterBF16 needs for any job.
func (l Level) FilterScratchBF16(s ConvShape, jobs []FilterJob) int {
	channels := 0
	for _, j := range jobs {
		channels = max(channels, j.i1-j.i0)
	}
	depth := PadBF16(min(s.N, filterImages))
	blocks := s.Kernel * s.W * channels * depth
	packed := s.positionsBF16() * depth * panelBF16
	return s.taps()*channels*panelBF16 + (blocks+packed)/2 + TransposeScratchBF16(depth) + l.scratchBF16()
}

// ConvBackwardFilterBF16 is ConvBackwardFilter with dy and x in BF16.
func (l Level) ConvBackwardFilterBF16(dw []float32, dy, x []BF16, s ConvShape, job FilterJob, scratch []float32) {
	j := job.Group * GroupColumns
	columns := min(GroupColumns, s.Out-j)
	channels := job.i1 - job.i0
	pad := s.Kernel / 2
	take := func(n int) []float32 {
		part := scratch[:n]
		scratch = scratch[n:]
		return part
	}
	most := PadBF16(min(s.N, filterImages))
	sums := take(s.taps() * channels * panelBF16) // [tap][channel][column]
	// Each pixel of x is turned once, and kept while rows of the picture that see it are summed.
	turned := AsBF16(take(s.Kernel * s.W * channels * most / 2))
	packed := AsBF16(take(s.positionsBF16() * most * panelBF16 / 2))
	pairs := take(TransposeScratchBF16(most))

	clear(sums)
	for n0 := 0; n0 < s.N; n0 += filterImages {
		images := min(filterImages, s.N-n0)
		depth := PadBF16(images)
		// block returns where the block of a pixel of x begins.
		block := func(h, w int) int { return (h%s.Kernel*s.W + w) * channels * depth }
		next := max(0, job.h0-pad) // row of x to be turned
		for h := job.h0; h < job.h1; h++ {
			for ; next < min(s.H, h+pad+1); next++ {
				for w := range s.W {
					pixel := x[((next*s.W+w)*s.N+n0)*s.In+job.i0:]
					l.TransposeBF16(turned[block(next, w):], pixel, s.In, images, channels, pairs)
				}
			}
			for w0 := 0; w0 < s.W; w0 += s.positionsBF16() {
				w1 := min(w0+s.positionsBF16(), s.W)
				for w := w0; w < w1; w++ {
					l.interleave(packed[(w-w0)*depth*panelBF16:], panelBF16, dy[((h*s.W+w)*s.N+n0)*s.Out+j:], s.Out, images, columns)
				}
				for t := range s.taps() {
					dh, dw := t/s.Kernel-pad, t%s.Kernel-pad
					from, to := max(w0, -dw), min(w1, s.W-dw) // positions whose tap is inside
					if h+dh < 0 || h+dh >= s.H || from >= to {
						continue
					}
					var segs [filterDepth / depthBF16]Segment
					for w := from; w < to; w++ {
						segs[w-from] = Segment{A: block(h+dh, w+dw), B: (w - w0) * depth * panelBF16}
					}
					l.panelBF16(sums[t*channels*panelBF16:], panelBF16, channels, turned, depth,
						packed, segs[:to-from], depth, tileAdd, scratch)
				}
			}
		}
	}
	for t := range s.taps() {
		for i := range channels {
			copy(dw[(t*s.In+job.i0+i)*s.Out+j:][:columns], sums[(t*channels+i)*panelBF16:])
		}
	}
}
