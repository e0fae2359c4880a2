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

// checkBlock panics unless x holds the block.
func checkBlock[T Element](x []T, b Block) {
	if b.Rows < 1 || b.Columns < 1 || b.Columns > b.Stride || len(x) < b.size() {
		panic(errLength)
	}
}

// checkTaps panics unless x has n elements from each tap on.
func checkTaps[T Element](x []T, taps []Tap, n int) {
	for _, t := range taps {
		_ = x[t.X:][:n]
	}
}

// eachGroup calls f for as many taps as a kernel takes at a time.
func eachGroup(taps []Tap, f func(taps []Tap, first bool)) {
	for i := 0; i < len(taps); i += tapGroup {
		f(taps[i:min(i+tapGroup, len(taps))], i == 0)
	}
}

// Lanes is how many elements the generic forms compute at a time.
const Lanes = 16

// floats returns at most Lanes elements as float32, in tmp if they are not.
func floats[T Element](x []T, tmp *[Lanes]float32) []float32 {
	switch x := any(x).(type) {
	case []float32:
		return x
	case []BF16:
		for i, v := range x {
			tmp[i] = v.Float32()
		}
	}
	return tmp[:len(x)]
}

// eachLanes calls f for the columns of the block from one on, at most Lanes at a time, of each row.
func (b Block) eachLanes(from int, f func(row, column, n int)) {
	for c := from; c < b.Columns; c += Lanes {
		for r := range b.Rows {
			f(r, c, min(Lanes, b.Columns-c))
		}
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
	depthwise(l, y, x, w, taps, bias, b)
}

// DepthwiseBF16 is Depthwise of an x in bf16.
func (l Level) DepthwiseBF16(y []float32, x []BF16, w []float32, taps []Tap, bias []float32, b Block) {
	depthwise(l, y, x, w, taps, bias, b)
}

func depthwise[T Element](l Level, y []float32, x []T, w []float32, taps []Tap, bias []float32, b Block) {
	checkBlock(y, b)
	checkTaps(x, taps, b.size())
	if len(taps) == 0 {
		for r := range b.Rows {
			startRow(y[r*b.Stride:][:b.Columns], bias)
		}
		return
	}
	eachGroup(taps, func(taps []Tap, first bool) {
		from := depthwiseWide(l, y, x, w, taps, bias, b, !first)
		b.eachLanes(from, func(r, c, n int) {
			at := r*b.Stride + c
			row := y[at:][:n]
			if first {
				if bias == nil {
					startRow(row, nil)
				} else {
					startRow(row, bias[c:])
				}
			}
			var tmp [Lanes]float32
			for _, t := range taps {
				wRow := w[t.W+c:][:n]
				for i, v := range floats(x[t.X+at:][:n], &tmp) {
					row[i] += v * wRow[i]
				}
			}
		})
	})
}

// startRow sets a row to the bias.
func startRow(y, bias []float32) {
	if bias == nil {
		clear(y)
	} else {
		copy(y, bias[:len(y)])
	}
}

// DepthwiseGrad adds to the gradient of the kernel what one pixel of y contributes,
//
//	dw[t.W + c] += Σ dy[r][c]·x[t.X + r·Stride + c]
//
// over the rows of the block, for each tap t and column c. The sum over the rows is made first.
func (l Level) DepthwiseGrad(dw, dy, x []float32, taps []Tap, b Block) {
	depthwiseGrad(l, dw, dy, x, taps, b)
}

// DepthwiseGradBF16 is DepthwiseGrad of bf16.
func (l Level) DepthwiseGradBF16(dw []float32, dy, x []BF16, taps []Tap, b Block) {
	depthwiseGrad(l, dw, dy, x, taps, b)
}

func depthwiseGrad[T Element](l Level, dw []float32, dy, x []T, taps []Tap, b Block) {
	checkBlock(dy, b)
	checkTaps(x, taps, b.size())
	eachGroup(taps, func(taps []Tap, _ bool) {
		from := depthwiseGradWide(l, dw, dy, x, taps, b)
		for _, t := range taps {
			var sum, dTmp, xTmp [Lanes]float32
			b.eachLanes(from, func(r, c, n int) {
				at := r*b.Stride + c
				xRow := floats(x[t.X+at:][:n], &xTmp)
				for i, d := range floats(dy[at:][:n], &dTmp) {
					sum[i] += d * xRow[i]
				}
				if r == b.Rows-1 {
					for i, v := range sum[:n] {
						dw[t.W+c+i] += v
					}
					clear(sum[:])
				}
			})
		}
	})
}
