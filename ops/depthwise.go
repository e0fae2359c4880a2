package ops

// Tap is a tap of a window over an image: where the pixel that it meets begins in a tensor, and
// where its weights begin.
type Tap struct{ X, W int }

// tapGroup is how many taps a kernel takes. Their addresses and their weights fill the registers.
const tapGroup = 9

// Block is the size of a block of rows of channels, in a matrix whose rows are Stride elements
// apart.
type Block struct{ Rows, Columns, Stride int }

// size returns the length of a slice that holds the block.
func (b Block) size() int { return (b.Rows-1)*b.Stride + b.Columns }

// check panics unless x holds the block.
func (b Block) check(x []float32) {
	if b.Rows < 1 || b.Columns < 1 || b.Columns > b.Stride || len(x) < b.size() {
		panic(errLength)
	}
}

// Depthwise convolves each channel by itself, for one pixel of y:
//
//	y[r][c] = bias[c] + Σ x[t.X + r·Stride + c]·w[t.W + c]
//
// for the rows and columns of the block, over the taps t. A nil bias is 0. y has the layout of the
// block, as the pixels of x do. It is the forward pass if the rows of a pixel are images; for the
// gradient of x, x is dy, and the taps are those that meet the pixel of y.
func (l Level) Depthwise(y, x, w []float32, taps []Tap, bias []float32, b Block) {
	b.check(y)
	if len(taps) == 0 {
		startRows(y, bias, b)
		return
	}
	for i := 0; i < len(taps); i += tapGroup {
		l.depthwise(y, x, w, taps[i:min(i+tapGroup, len(taps))], bias, b, i > 0)
	}
}

// startRows sets each row of y to the bias.
func startRows(y, bias []float32, b Block) {
	for r := range b.Rows {
		row := y[r*b.Stride:][:b.Columns]
		if bias == nil {
			clear(row)
		} else {
			copy(row, bias[:b.Columns])
		}
	}
}

// depthwise is Depthwise of at most tapGroup taps. If add is set, it adds to y.
func (l Level) depthwise(y, x, w []float32, taps []Tap, bias []float32, b Block, add bool) {
	for _, t := range taps {
		b.check(x[t.X:])
		_ = w[t.W:][:b.Columns]
	}
	from := l.depthwiseWide(y, x, w, taps, bias, b, add)
	if from == b.Columns {
		return
	}
	y, b.Columns = y[from:], b.Columns-from
	if !add {
		if bias != nil {
			bias = bias[from:]
		}
		startRows(y, bias, b)
	}
	for r := range b.Rows {
		row := y[r*b.Stride:][:b.Columns]
		for _, t := range taps {
			xRow, wRow := x[t.X+r*b.Stride+from:][:len(row)], w[t.W+from:][:len(row)]
			for c := range row {
				row[c] += xRow[c] * wRow[c]
			}
		}
	}
}

// DepthwiseGrad adds to the gradient of the kernel what one pixel of y contributes,
//
//	dw[t.W + c] += Σ dy[r][c]·x[t.X + r·Stride + c]
//
// over the rows of the block, for each tap t and column c. The sum over the rows is made first.
func (l Level) DepthwiseGrad(dw, dy, x []float32, taps []Tap, b Block) {
	b.check(dy)
	for i := 0; i < len(taps); i += tapGroup {
		l.depthwiseGrad(dw, dy, x, taps[i:min(i+tapGroup, len(taps))], b)
	}
}

func (l Level) depthwiseGrad(dw, dy, x []float32, taps []Tap, b Block) {
	for _, t := range taps {
		b.check(x[t.X:])
		_ = dw[t.W:][:b.Columns]
	}
	from := l.depthwiseGradWide(dw, dy, x, taps, b)
	for _, t := range taps {
		for c := from; c < b.Columns; c++ {
			var sum float32
			for i := c; i < b.size(); i += b.Stride {
				sum += dy[i] * x[t.X+i]
			}
			dw[t.W+c] += sum
		}
	}
}
