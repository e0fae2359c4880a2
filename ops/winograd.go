package ops

import "github.com/lamina-go/lamina/tensor"

// Winograd is an algorithm of minimal filtering (https://arxiv.org/abs/1509.09308) for 3x3
// convolutions: a tile of out×out outputs from in×in inputs by t×t products. With x the inputs, w
// the kernel and ⊙ the product element by element, for each pair of channels
//
//	Y = Aᵀ((G·w·Gᵀ) ⊙ (Bᵀ·x·B))A
//
// Over all channels and images each of the t² elements is a product of matrices, M = V·U. In the
// layout HWNC a transform does the same to every image and channel, so it is sums of whole vectors.
// The gradient of the kernel is Gᵀ(Vᵀ·(A·dY·Aᵀ))G, and that of the input is the convolution of dY
// with the kernel rotated by 180°.
//
// The rounding error is larger than that of the direct sum: about 2e-6 of the root mean square of
// the result with F4, 3e-6 in the kernel gradient.
type Winograd uint8

const (
	// F4 is F(4x4, 3x3) with the points 0, 1, −1, ½, −2 and ∞, which have half the error of 0,
	// ±1, ±2: 36 products for 144.
	F4 Winograd = iota
	// F2 is F(2x2, 3x3) with the points 0, 1, −1 and ∞: 16 products for 36.
	F2
	// Map2 is for images of 2x2 pixels, whose padding is known to be zero: 9 products for the
	// 16 of a direct convolution that leaves out the padding. In one dimension
	// m = w1(x0+x1), (w2−w1)x1, (w0−w1)x0 and y = m0+m1, m0+m2.
	Map2
)

// String returns the algorithm's name.
func (w Winograd) String() string { return [...]string{"f4", "f2", "map2"}[w] }

// Forward plans a forward pass.
func (w Winograd) Forward(l Level, s ConvShape, workers int) Pass[float32] {
	return newWinogradPass(l, w, s.forward(), false, workers)
}

// InputGradient plans an input gradient.
func (w Winograd) InputGradient(l Level, s ConvShape, workers int) Pass[float32] {
	return newWinogradPass(l, w, s.inputGradient(), true, workers)
}

// KernelGradient plans a kernel gradient.
func (w Winograd) KernelGradient(l Level, s ConvShape, workers int) Gradient[float32] {
	return newWinogradGradient(l, w, s, workers)
}

// tile is the sides of a tile's inputs, products and outputs, and which column of Aᵀ is all ones.
type tile struct{ in, t, out, ones int }

func (w Winograd) tile() tile {
	switch w {
	case F4:
		return tile{6, 6, 4, 1}
	case F2:
		return tile{4, 4, 2, 1}
	}
	return tile{2, 3, 2, 0}
}

// products returns the number of products of a tile, t².
func (w Winograd) products() int { t := w.tile().t; return t * t }

// Fits reports whether the algorithm can compute a convolution of that shape.
func (w Winograd) Fits(s ConvShape) bool {
	v := s.Window
	if v.Height != 3 || v.Width != 3 || v.StrideH != 1 || v.StrideW != 1 || !winogradChannels(s.In) || !winogradChannels(s.Out) {
		return false
	}
	if w == Map2 {
		return s.H == 2 && s.W == 2 && v == tensor.Centered(3)
	}
	return s.H > 1 && s.W > 1
}

// winogradChannels reports whether the transforms take so many channels: whole vectors of AVX-512,
// or 24, 40 or 56, of AVX2 in a single column block.
func winogradChannels(n int) bool { return n%16 == 0 || n%8 == 0 && n > 16 && n < columnBlock }

// tiles returns the number of tiles in a row, and in all.
func (w Winograd) tiles(s convPass) (wide, all int) {
	out := w.tile().out
	wide = divUp(s.w.out, out)
	return wide, wide * divUp(s.h.out, out)
}

// Rows returns the number of rows of the matrices: tiles of all images.
func (w Winograd) Rows(s ConvShape) int {
	_, all := w.tiles(s.forward())
	return all * s.N
}

// winogradBlock is a block of rows of the matrices: some tiles of some images.
type winogradBlock struct {
	tile, tiles int // first, and how many
	n, images   int // first, and how many
}

func (b *winogradBlock) rows() int { return b.tiles * b.images }

// manyImages is the number of images beyond which a tile's pixels of all of them do not stay in the
// cache until the next tile sees some of them again. Then each block of images has all its tiles
// before the next one.
const manyImages = 512

// blocks divides the rows of the matrices into blocks of nearly the same size, about rows at most:
// some images of one tile, or all images of several.
func (w Winograd) blocks(s convPass, rows int) []winogradBlock {
	var blocks []winogradBlock
	_, tiles := w.tiles(s)
	byImage := divUp(s.N, rows)
	byTile := divUp(tiles, max(1, rows/s.N))
	for k := range byTile * byImage {
		t, i := k/byImage, k%byImage
		if s.N > manyImages {
			t, i = k%byTile, k/byTile
		}
		first, end := tiles*t/byTile, tiles*(t+1)/byTile
		from, to := s.N*i/byImage, s.N*(i+1)/byImage
		blocks = append(blocks, winogradBlock{first, end - first, from, to - from})
	}
	return blocks
}

// needed returns the products that a block needs: not the last row or column of them if the last row
// or column of outputs is outside the image for all its tiles, as those outputs alone depend on them,
// and their gradient alone reaches them.
func (w Winograd) needed(s *convPass, b *winogradBlock, all *[36]int) []int {
	g := w.tile()
	wide, _ := w.tiles(*s)
	rows, columns := g.t-1, g.t-1
	for i := b.tile; i < b.tile+b.tiles; i++ {
		if i/wide*g.out+g.out <= s.h.out {
			rows = g.t
		}
		if i%wide*g.out+g.out <= s.w.out {
			columns = g.t
		}
	}
	k := all[:0]
	for row := range rows {
		for column := range columns {
			k = append(k, row*g.t+column)
		}
	}
	return k
}

// planes are up to 36 arrays, one for each pixel or product of a tile.
type planes [36][]float32

// planeStride returns the stride of planes of n floats: not a multiple of a page, as then all
// planes would share a few sets of the cache.
func planeStride(n int) int { return (n+15)&^15 + 16 }

// evenly sets p to n planes with the given stride.
func (p *planes) evenly(x []float32, n, stride int) {
	for i := range n {
		p[i] = x[i*stride:]
	}
}

// inputs sets p to the pixels of x that tile number i sees, of images from n on; what is padding is
// other.
func (p *planes) inputs(x []float32, s *convPass, w Winograd, i, n int, other []float32) {
	wide, _ := w.tiles(*s)
	t := w.tile()
	top, left := i/wide*t.out, i%wide*t.out
	if w != Map2 { // whose tile has no padding
		top, left = top-s.h.pad, left-s.w.pad
	}
	p.pixels(x, s.h.in, s.w.in, top, left, t.in, s.N, n, s.In, other)
}

// outputs sets p to the pixels of y of tile number i, of images from n on; what is outside is
// other.
func (p *planes) outputs(y []float32, s *convPass, w Winograd, i, n int, other []float32) {
	wide, _ := w.tiles(*s)
	out := w.tile().out
	p.pixels(y, s.h.out, s.w.out, i/wide*out, i%wide*out, out, s.N, n, s.Out, other)
}

// pixels sets p to the pixels of a square, for images from n on of all images of height x width
// pixels and c channels; what is outside is other.
func (p *planes) pixels(x []float32, height, width, top, left, side, images, n, c int, other []float32) {
	for k := range side * side {
		h, w := top+k/side, left+k%side
		if h < 0 || h >= height || w < 0 || w >= width {
			p[k] = other
		} else {
			p[k] = x[((h*width+w)*images+n)*c:]
		}
	}
}

// transform is one of the five transforms of an algorithm.
type transform uint8

const (
	toInput    transform = iota // V = Bᵀ·x·B
	toOutput                    // Y = Aᵀ·M·A
	toGradient                  // A·dY·Aᵀ
	toKernel                    // U = G·w·Gᵀ
	fromKernel                  // dw = Gᵀ·dU·G
)

// sides returns the sides of what the transform reads and writes.
func (w Winograd) sides(k transform) (from, to int) {
	t := w.tile()
	switch k {
	case toInput:
		return t.in, t.t
	case toOutput:
		return t.t, t.out
	case toGradient:
		return t.out, t.t
	case toKernel:
		return 3, t.t
	}
	return t.t, 3
}

// apply computes a transform for rows rows of n floats of all planes; n is a multiple of 8. The
// rows have strides dstStep and srcStep. toOutput sets what is below floor to floor. tmp is a
// buffer of tmpSize floats.
func (l Level) apply(w Winograd, k transform, dst, src *planes, rows, n, dstStep, srcStep int, floor float32, tmp []float32) {
	from, to := w.sides(k)
	_ = tmp[tmpSize-1]
	for i := range from * from {
		_ = src[i][(rows-1)*srcStep+n-1]
	}
	for i := range to * to {
		_ = dst[i][(rows-1)*dstStep+n-1]
	}
	if dstStep == n && srcStep == n { // one long row
		rows, n = 1, rows*n
	}
	l.applyTo(w, k, dst, src, rows, n, dstStep, srcStep, floor, tmp)
}

// tmpSize is the size of 36 runs of the kernels (RUN in winograd_amd64.h), and what aligns them.
const tmpSize = 36*512/4 + 16

// workspace is the scratch of a job that is not in use.
type workspace []float32

// take returns n floats of it.
func (w *workspace) take(n int) []float32 {
	taken := (*w)[:n]
	*w = (*w)[n:]
	return taken
}
