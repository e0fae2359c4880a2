package ops

// ConvShape is the shape of a convolution of stride 1 and padding "same".
type ConvShape struct {
	N, H, W, In, Out int
	Kernel           int // 1 or 3
}

// maxTaps is the number of taps of the largest kernel.
const maxTaps = 9

// OutputSize returns the height and width of the output.
func (s ConvShape) OutputSize() (h, w int) { return s.H, s.W }

// rows returns the number of output pixels of all images: rows of the im2col matrix.
func (s ConvShape) rows() int {
	h, w := s.OutputSize()
	return s.N * h * w
}

func (s ConvShape) taps() int { return s.Kernel * s.Kernel }

// depth returns the number of rows of the kernel as a matrix: columns of the im2col matrix.
func (s ConvShape) depth() int { return s.taps() * s.In }

// offset returns how far below and to the right of an output pixel the pixel of a tap is.
func (s ConvShape) offset(tap int) (down, right int) {
	pad := s.Kernel / 2
	return tap/s.Kernel - pad, tap%s.Kernel - pad
}

// transposed returns the shape of the convolution that computes the input gradient from dy. Its
// kernel is that of s rotated by 180°, with the channels exchanged.
func (s ConvShape) transposed() ConvShape {
	s.In, s.Out = s.Out, s.In
	return s
}

// worthSplits returns how many splits a kernel gradient should have, at most the given number. Each
// writes and reads a gradient, which should not be more traffic than x and dy.
func (s ConvShape) worthSplits(splits int) int {
	for splits > 1 && 2*splits*s.depth()*s.Out > s.rows()*(s.In+s.Out) {
		splits /= 2
	}
	return splits
}

// columnBlock is the number of output channels that a job computes at least: a column block.
const columnBlock = 64

// columnBlocks returns the number of column blocks of the output channels.
func (s ConvShape) columnBlocks() int { return divUp(s.Out, columnBlock) }

// convRows is the largest number of rows of a convBlock.
const convRows = 256

// convBlock is a block of adjacent rows of the im2col matrix whose pixels, in one row of the image,
// all see the same taps.
type convBlock struct {
	first      int // row of the matrix, (h·W + w)·N + n
	rows       int
	taps       [maxTaps]segment // of each tap inside the image: row of the matrix x, tap
	tapsInside int
}

// block returns the rows of pixels w to end, in row h of all images. The rows of x of its taps
// are relative to the block's first row.
func (s ConvShape) block(h, w, end int) convBlock {
	b := convBlock{rows: (end - w) * s.N}
	for t := range s.taps() {
		down, right := s.offset(t)
		if h+down < 0 || h+down >= s.H || w+right < 0 || end+right > s.W {
			continue
		}
		b.taps[b.tapsInside] = segment{a: (down*s.W + right) * s.N, b: t}
		b.tapsInside++
	}
	return b
}

// at returns a block of some rows of b, with the row of the matrix where it begins.
func (b convBlock) at(first, rows int) convBlock {
	b.first, b.rows = first, rows
	for i := range b.tapsInside {
		b.taps[i].a += first
	}
	return b
}

// blocks divides the rows of the im2col matrix.
func (s ConvShape) blocks() []convBlock {
	var blocks []convBlock
	pad := s.Kernel / 2
	for h := range s.H {
		for w := 0; w < s.W; {
			end := w + 1 // pixels w to end see the same taps
			if w >= pad && end < s.W-pad {
				end = s.W - pad
			}
			b := s.block(h, w, end)
			n := divUp(b.rows, convRows)
			for i := range n {
				from, to := b.rows*i/n, b.rows*(i+1)/n
				blocks = append(blocks, b.at((h*s.W+w)*s.N+from, to-from))
			}
			w = end
		}
	}
	return blocks
}
