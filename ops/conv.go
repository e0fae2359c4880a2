package ops

import "github.com/lamina-go/lamina/tensor"

// ConvShape is the shape of a convolution of N images of H x W pixels and In channels, with Out
// output channels. The padding is smaller than the window.
type ConvShape struct {
	N, H, W, In, Out int
	Window           tensor.Window // the kernel's size, stride and padding
}

// OutputSize returns the height and width of the output.
func (s ConvShape) OutputSize() (h, w int) { return s.Window.Output(s.H, s.W) }

// rows returns the number of output pixels of all images: rows of the im2col matrix.
func (s ConvShape) rows() int {
	h, w := s.OutputSize()
	return s.N * h * w
}

func (s ConvShape) taps() int { return s.Window.Taps() }

// depth returns the number of rows of the kernel as a matrix: columns of the im2col matrix.
func (s ConvShape) depth() int { return s.taps() * s.In }

// worthSplits returns how many splits a kernel gradient should have, at most the given number. Each
// writes and reads a gradient, which should not be more traffic than x and dy.
func (s ConvShape) worthSplits(splits int) int {
	for splits > 1 && 2*splits*s.depth()*s.Out > s.N*s.H*s.W*s.In+s.rows()*s.Out {
		splits /= 2
	}
	return splits
}

// columnBlock is the number of output channels that a job computes at least: a column block.
const columnBlock = 64

// columnBlocks returns the number of column blocks of the output channels.
func (s ConvShape) columnBlocks() int { return divUp(s.Out, columnBlock) }

// forward returns the shape of the forward pass.
func (s ConvShape) forward() convPass {
	h, w := s.OutputSize()
	v := s.Window
	return convPass{s.N, s.In, s.Out,
		axis{s.H, h, v.Height, v.StrideH, 1, v.Top},
		axis{s.W, w, v.Width, v.StrideW, 1, v.Left}}
}

// inputGradient returns the shape of the pass from dy to dx. Its kernel is that of s rotated by
// 180°, with the channels exchanged.
func (s ConvShape) inputGradient() convPass {
	h, w := s.OutputSize()
	v := s.Window
	return convPass{s.N, s.Out, s.In,
		axis{h, s.H, v.Height, 1, v.StrideH, v.Height - 1 - v.Top},
		axis{w, s.W, v.Width, 1, v.StrideW, v.Width - 1 - v.Left}}
}

// convPass is the shape of a forward pass or an input gradient. Its input has In channels, its
// output Out.
type convPass struct {
	N, In, Out int
	h, w       axis
}

// axis is a dimension of the images of a pass. The output at p sees, by tap t, the input at
// (p·step + t − pad)/div, if that is whole and inside. In a forward pass step is the stride and div
// is 1; in an input gradient it is the other way round.
type axis struct {
	in, out              int // sizes
	taps, step, div, pad int
}

// view is what an output sees along an axis: count taps from tap on, div apart, and as many
// adjacent inputs from at on.
type view struct{ tap, count, at int }

// view returns what output p sees.
func (a axis) view(p int) (v view) {
	for t := range a.taps {
		at := p*a.step + t - a.pad
		if at < 0 || at%a.div != 0 || at/a.div >= a.in {
			continue
		}
		if v.count == 0 {
			v.tap, v.at = t, at/a.div
		}
		v.count++
	}
	return v
}

// inside returns the outputs of a forward pass whose tap is inside the image: from from on, before
// to.
func (a axis) inside(tap int) (from, to int) {
	last := a.in - 1 + a.pad - tap
	if last < 0 {
		return 0, 0
	}
	return divUp(max(0, a.pad-tap), a.step), min(a.out, last/a.step+1)
}

func (p *convPass) rows() int         { return p.N * p.h.out * p.w.out }
func (p *convPass) taps() int         { return p.h.taps * p.w.taps }
func (p *convPass) depth() int        { return p.taps() * p.In }
func (p *convPass) columnBlocks() int { return divUp(p.Out, columnBlock) }

// flat returns p, or if its kernel has one tap and no stride, the same pass with all pixels in one
// row: a product of two matrices.
func (p convPass) flat() convPass {
	if one := (axis{p.h.in, p.h.in, 1, 1, 1, 0}); p.h == one && p.w == (axis{p.w.in, p.w.in, 1, 1, 1, 0}) {
		pixels := p.h.in * p.w.in
		p.h, p.w = axis{1, 1, 1, 1, 1, 0}, axis{pixels, pixels, 1, 1, 1, 0}
	}
	return p
}

// convRows is the largest number of rows of a convBlock.
const convRows = 256

// convBlock is a block of adjacent rows of the im2col matrix whose pixels, in one row of the image,
// all see the same taps.
type convBlock struct {
	first, rows int // of the matrix, (h·W + w)·N + n
	source      int // row of x that its first row sees by its first tap
	*tapPattern
}

// tapPattern is what all rows of a block see.
type tapPattern struct {
	down, right view
	segs        []segment // of the sum, from the block's source on; none if all is padding
	depth       int       // of each segment
}

// rowStride returns how far apart in x the pixels are that adjacent rows of a block see.
func (p *convPass) rowStride() int {
	if p.N == 1 {
		return p.w.step
	}
	return 1
}

// joins reports whether the taps in a row of the kernel can be one segment: for one image they are
// adjacent in x as in the kernel. Deep products take a few taps at a time instead.
func (p *convPass) joins() bool { return p.N == 1 && p.w.div == 1 && p.depth() <= convDepth }

// blocks divides the rows of the im2col matrix. width is that of a packed panel of the kernel, for
// the segments; joined is for one segment for a row of the kernel.
func (p *convPass) blocks(width int, joined bool) []convBlock {
	var blocks []convBlock
	type views struct{ h, hCount, w, wCount int }
	patterns := map[views]*tapPattern{}
	together := p.w.div == 1 && p.w.step == p.rowStride() // pixels of a row that see the same taps
	for h := range p.h.out {
		down := p.h.view(h)
		for w := 0; w < p.w.out; {
			right := p.w.view(w)
			end := w + 1 // pixels w to end see the same taps
			for together && end < p.w.out {
				if v := p.w.view(end); v.tap != right.tap || v.count != right.count {
					break
				}
				end++
			}
			key := views{down.tap, down.count, right.tap, right.count}
			if patterns[key] == nil {
				patterns[key] = p.pattern(down, right, width, joined)
			}
			rows := (end - w) * p.N
			source := (down.at*p.w.in + right.at) * p.N
			n := divUp(rows, convRows)
			for i := range n {
				from, to := rows*i/n, rows*(i+1)/n
				blocks = append(blocks, convBlock{(h*p.w.out+w)*p.N + from, to - from, source + from*p.rowStride(), patterns[key]})
			}
			w = end
		}
	}
	return blocks
}

// pattern returns the segments of a pixel that sees some taps down and to the right.
func (p *convPass) pattern(down, right view, width int, joined bool) *tapPattern {
	t := &tapPattern{down: down, right: right, depth: p.In}
	for i := range down.count {
		for j := range right.count {
			if j > 0 && joined {
				continue
			}
			tap := (down.tap+i*p.h.div)*p.w.taps + right.tap + j*p.w.div
			t.segs = append(t.segs, segment{a: (i*p.w.in + j) * p.N * p.In, b: tap * p.In * width})
		}
	}
	if joined {
		t.depth *= right.count
	}
	return t
}
