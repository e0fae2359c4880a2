package ops

// Convolution of stride 1 and padding "same" as implicit im2col and matrix product. The
// im2col matrix has a row for each output pixel and Kernel² stretches of In columns, a
// stretch for a tap. It is never made: in the layout HWNC the rows of a stretch stand in
// the image itself, In apart, and a tap that sees padding is a stretch left out.

// ConvShape is the shape of a convolution.
type ConvShape struct {
	N, H, W, In, Out int
	Kernel           int // 1 or 3
}

// convDepth is how deep the products of a convolution are: taps are taken together up
// to about so many rows of the packed kernel, so that these stay in the second-level cache.
const convDepth = 576

// convRows is the number of output pixels (and images) in a block, see ConvBlock.
const convRows = 256

// GroupColumns is the number of output channels that a job of a convolution computes.
const GroupColumns = 64

// Groups returns the number of groups of GroupColumns output channels.
func (s ConvShape) Groups() int { return (s.Out + GroupColumns - 1) / GroupColumns }

func (s ConvShape) taps() int { return s.Kernel * s.Kernel }

// PackedSize returns the number of floats of the packed kernel.
func (l Level) PackedSize(s ConvShape) int { return l.packedSize(s.taps()*s.In, s.Out) }

// PackKernel packs one group of a convolution's kernel (k, k, In, Out) for ConvForward.
func (l Level) PackKernel(packed, kernel []float32, s ConvShape, group int) {
	depth := s.taps() * s.In
	j := group * GroupColumns
	l.packPanels(packed[j*depth:], depth*l.panelWidth(), kernel[j:], s.Out, 1, depth, min(GroupColumns, s.Out-j))
}

// PackKernelTurned packs one group of the kernel of the backward pass: that is the forward
// pass of a convolution s whose kernel (k, k, In, Out) is the one given, (k, k, Out, In),
// turned by 180° and with its channels exchanged.
func (l Level) PackKernelTurned(packed, kernel []float32, s ConvShape, group int) {
	width := l.panelWidth()
	depth := s.taps() * s.In
	j := group * GroupColumns
	for t := range s.taps() {
		tap := kernel[(s.taps()-1-t)*s.In*s.Out:]
		l.packPanels(packed[j*depth+t*s.In*width:], depth*width, tap[j*s.In:], 1, s.In, s.In, min(GroupColumns, s.Out-j))
	}
}

// ConvBlock is a part of the rows of the im2col matrix in which all pixels see the same
// taps: pixels and images next to each other in a row of the picture.
type ConvBlock struct {
	first      int // row of the matrix, (h·W + w)·N + n
	rows       int
	taps       [9]segment // of each tap that sees the image: row of the matrix x, tap
	tapsInside int
}

// block returns all images of pixels w to end of row h; its taps count rows of x from the block's first.
func (s ConvShape) block(h, w, end int) ConvBlock {
	b := ConvBlock{rows: (end - w) * s.N}
	pad := s.Kernel / 2
	for t := range s.taps() {
		dh, dw := t/s.Kernel-pad, t%s.Kernel-pad
		if h+dh < 0 || h+dh >= s.H || w+dw < 0 || end+dw > s.W {
			continue
		}
		b.taps[b.tapsInside] = segment{a: (dh*s.W + dw) * s.N, b: t}
		b.tapsInside++
	}
	return b
}

// at returns rows of a block from block, the first of which is first.
func (b ConvBlock) at(first, rows int) ConvBlock {
	b.first, b.rows = first, rows
	for i := range b.tapsInside {
		b.taps[i].a += first
	}
	return b
}

// Blocks divides the output of a convolution.
func (s ConvShape) Blocks() []ConvBlock {
	var blocks []ConvBlock
	pad := s.Kernel / 2
	for h := range s.H {
		for w := 0; w < s.W; {
			end := w + 1 // pixels w to end see the same taps
			if w >= pad && end < s.W-pad {
				end = s.W - pad
			}
			b := s.block(h, w, end)
			parts := (b.rows + convRows - 1) / convRows
			for i := range parts {
				from, to := b.rows*i/parts, b.rows*(i+1)/parts
				blocks = append(blocks, b.at((h*s.W+w)*s.N+from, to-from))
			}
			w = end
		}
	}
	return blocks
}

// ConvScratch returns the number of floats that ConvForward needs.
func (l Level) ConvScratch() int { return (convRows + 1) * l.panelWidth() }

// ConvForward computes some blocks and a group of the output channels of y = conv(x, kernel)
// and what p asks for, with a kernel from PackKernel or PackKernelTurned. Each part of the
// packed kernel meets all the blocks before the next: it is read from memory once.
func (l Level) ConvForward(y, x, packed []float32, s ConvShape, blocks []ConvBlock, group int, p Product, scratch []float32) {
	runs := min(s.taps(), (s.taps()*s.In+convDepth-1)/convDepth)
	for r := range runs {
		for i := range blocks {
			l.convRun(y, x, packed, s, &blocks[i], s.taps()*r/runs, s.taps()*(r+1)/runs, group, p, scratch)
		}
	}
}

// convRun is the part of ConvForward that the taps from first to last have in a block.
func (l Level) convRun(y, x, packed []float32, s ConvShape, block *ConvBlock, first, last, group int, p Product, scratch []float32) {
	width := l.panelWidth()
	var room [9]segment
	segs, flags := room[:0], 0
	for i, tap := range block.taps[:block.tapsInside] {
		switch {
		case tap.b < first:
			flags |= tileAdd
		case tap.b < last:
			segs = append(segs, segment{a: tap.a * s.In, b: tap.b * s.In * width})
			if p.ReLU && i == block.tapsInside-1 {
				flags |= tileReLU
			}
		}
	}
	if len(segs) == 0 {
		return
	}
	end := min(s.Out, (group+1)*GroupColumns)
	for j := group * GroupColumns; j < end; j += width {
		out := window{y[block.first*s.Out+j:], s.Out, block.rows, min(width, end-j)}
		var bias []float32
		if p.Bias != nil {
			bias = p.Bias[j:]
		}
		l.windowPanel(out, x, s.In, 1, packed[j*s.taps()*s.In:], segs, s.In, bias, flags, prefetch{}, scratch)
	}
}
