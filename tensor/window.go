package tensor

// Window says how the window of a convolution or a pool moves over an image. The padding surrounds
// the image: zeros for a convolution, nothing for a pool, which neither takes a maximum of padding
// nor counts it in a mean. A negative Bottom or Right cuts pixels of the image off.
type Window struct {
	Height, Width            int // of the window
	StrideH, StrideW         int // down and to the right
	Top, Bottom, Left, Right int // padding
}

// Square returns a window of size x size pixels that moves by stride, without padding.
func Square(size, stride int) Window {
	return Window{Height: size, Width: size, StrideH: stride, StrideW: stride}
}

// Centered returns a square window of odd size and stride 1, padded so that the output has the size
// of the image.
func Centered(size int) Window { return Square(size, 1).Same(size, size) }

// Same returns the window with Keras's padding "same" for images of height x width: the output has
// ⌈size/stride⌉ pixels. Of an odd padding the larger half is below and to the right.
func (w Window) Same(height, width int) Window {
	w.Top, w.Bottom = same(height, w.Height, w.StrideH)
	w.Left, w.Right = same(width, w.Width, w.StrideW)
	return w
}

func same(size, window, stride int) (before, after int) {
	out := (size + stride - 1) / stride
	pad := max(0, (out-1)*stride+window-size)
	return pad / 2, pad - pad/2
}

// Output returns the size of the output for images of height x width. It is 0 or less if the window
// does not fit.
func (w Window) Output(height, width int) (h, wd int) {
	return (height+w.Top+w.Bottom-w.Height)/w.StrideH + 1, (width+w.Left+w.Right-w.Width)/w.StrideW + 1
}

// Taps returns the number of pixels of the window.
func (w Window) Taps() int { return w.Height * w.Width }

// Check panics unless the window fits images of height x width: it has pixels, moves, and its
// padding is smaller than the window, at the top and to the left not negative.
func (w Window) Check(height, width int) {
	h, wd := w.Output(height, width)
	if min(w.Height, w.Width, w.StrideH, w.StrideW, h, wd) < 1 || min(w.Top, w.Left) < 0 ||
		max(w.Top, w.Bottom) >= w.Height || max(w.Left, w.Right) >= w.Width {
		panic(errWindow)
	}
}
