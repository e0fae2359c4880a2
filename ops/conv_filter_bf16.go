package ops

// The gradient of a kernel in bf16. The sum is over images and pixels, so both operands are turned first:
// x to a block of (channels, images) for each pixel, and dy to pairs of images. A pixel's images
// are filled up with zeros to a multiple of 32, so that the pixels which a tap sees are whole
// stretches of both.

// filterImages is how many images are summed at a time, and filterDepthBF16 over how many rows of dy at least one
// position's: of each operand so much stays in the second-level cache.
const (
	filterImages    = 128
	filterDepthBF16 = 1024
)

// paddedImages returns N rounded up as the operands are.
func (s ConvShape) paddedImages() int {
	return s.N/filterImages*filterImages + PadBF16(s.N%filterImages)
}

// inGroups returns the number of groups of 64 input channels.
func (s ConvShape) inGroups() int { return (s.In + GroupColumns - 1) / GroupColumns }

// FilterOperandsBF16 returns the sizes of the operands turned, and in how many jobs TurnFilterBF16 does it.
func (s ConvShape) FilterOperandsBF16() (x, dy, jobs int) {
	pixels := s.H * s.W
	n := pixels * s.paddedImages()
	return n * s.In, n * s.Groups() * panelBF16, pixels * (s.inGroups() + s.Groups())
}

// TurnFilterBF16 does a job of turning the operands of ConvBackwardFilterBF16: a group of channels of a pixel, of x or dy. scratch is
// of TransposeScratchBF16(s.N) floats.
func (l Level) TurnFilterBF16(turnedX, turnedDY, x, dy []BF16, s ConvShape, job int, scratch []float32) {
	groups := s.inGroups() + s.Groups()
	pixel, group := job/groups, job%groups
	for n0 := 0; n0 < s.N; n0 += filterImages {
		images := min(filterImages, s.N-n0)
		depth := PadBF16(images)
		if i := group * GroupColumns; group < s.inGroups() {
			to := turnedX[s.H*s.W*n0*s.In+(pixel*s.In+i)*depth:]
			l.TransposeBF16(to, x[(pixel*s.N+n0)*s.In+i:], s.In, images, min(GroupColumns, s.In-i), scratch)
			continue
		}
		group := group - s.inGroups()
		j, width := group*GroupColumns, s.Groups()*panelBF16
		to := turnedDY[s.H*s.W*n0*width+(pixel*s.Groups()+group)*depth*panelBF16:]
		l.interleave(to, panelBF16, dy[(pixel*s.N+n0)*s.Out+j:], s.Out, images, min(GroupColumns, s.Out-j))
	}
}

// FilterScratchBF16 returns the number of floats that ConvBackwardFilterBF16 needs for any job.
func (l Level) FilterScratchBF16(s ConvShape, jobs []FilterJob) int {
	channels := 0
	for _, j := range jobs {
		channels = max(channels, j.i1-j.i0)
	}
	return s.taps()*channels*panelBF16 + l.scratchBF16()
}

// ConvBackwardFilterBF16 is ConvBackwardFilter with dy and x in BF16, turned by TurnFilterBF16.
func (l Level) ConvBackwardFilterBF16(dw []float32, dy, x []BF16, s ConvShape, job FilterJob, scratch []float32) {
	j := job.Group * GroupColumns
	columns := min(GroupColumns, s.Out-j)
	channels := job.i1 - job.i0
	pad := s.Kernel / 2
	sums := scratch[:s.taps()*channels*panelBF16] // [tap][channel][column]
	scratch = scratch[len(sums):]
	clear(sums)
	for n0 := 0; n0 < s.N; n0 += filterImages {
		depth := PadBF16(min(filterImages, s.N-n0))
		x, dy := x[s.H*s.W*n0*s.In:], dy[s.H*s.W*n0*s.Groups()*panelBF16:]
		positions := max(1, min(s.W, filterDepthBF16/depth))
		for h := job.h0; h < job.h1; h++ {
			for w0 := 0; w0 < s.W; w0 += positions {
				w1 := min(w0+positions, s.W)
				for t := range s.taps() {
					dh, dw := t/s.Kernel-pad, t%s.Kernel-pad
					from, to := max(w0, -dw), min(w1, s.W-dw) // positions whose tap is inside
					if h+dh < 0 || h+dh >= s.H || from >= to {
						continue
					}
					var room [filterDepthBF16 / depthBF16]Segment
					segs := room[:to-from]
					for i := range segs {
						pixel, seen := h*s.W+from+i, (h+dh)*s.W+from+i+dw
						segs[i] = Segment{A: (seen*s.In + job.i0) * depth, B: (pixel*s.Groups() + job.Group) * depth * panelBF16}
					}
					l.panelBF16(sums[t*channels*panelBF16:], panelBF16, channels, x, depth, dy, segs, depth, tileAdd, scratch)
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
