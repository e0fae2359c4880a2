package backendtest

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// linear is a convolution, or a dense layer as the 1x1 convolution of images of one
// pixel.
type linear struct {
	ref *reference
	backend.Conv2DSpec
	x, y, w tensor.Shape
	rows    backend.Rows // of each tap, for the backward passes
}

func (r *reference) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	s.Window.Check(s.H, s.W)
	if !s.Inference && s.Function != (tensor.Function{}) && !s.Function.IsRectifier() {
		panic(errFusedFunction)
	}
	if s.Constant && !s.Inference {
		panic(errConstant)
	}
	h, w := s.Window.Output(s.H, s.W)
	return &linear{r, s,
		tensor.Shape{s.N, s.H, s.W, s.In},
		tensor.Shape{s.N, h, w, s.Out},
		tensor.Shape{s.Window.Height, s.Window.Width, s.In, s.Out},
		backend.Rows{From: 0, To: s.In}}, nil
}

func (r *reference) Dense(s backend.DenseSpec) (backend.Dense, error) {
	if !s.Inference && s.Function != (tensor.Function{}) && !s.Function.IsRectifier() {
		panic(errFusedFunction)
	}
	if s.Constant && !s.Inference {
		panic(errConstant)
	}
	rows := s.Rows()
	if rows.From < 0 || rows.To > s.In || rows.Len() <= 0 || rows.From%backend.SliceRows != 0 || rows.To%backend.SliceRows != 0 && rows.To != s.In {
		panic(errSlice)
	}
	c := backend.Conv2DSpec{N: s.N, H: 1, W: 1, In: s.In, Out: s.Out, Window: tensor.Square(1, 1),
		BatchNorm: s.BatchNorm, Function: s.Function, Inference: s.Inference, Constant: s.Constant, NoInputGrad: s.NoInputGrad}
	return &linear{r, c,
		tensor.Shape{s.N, s.In},
		tensor.Shape{s.N, s.Out},
		tensor.Shape{rows.Len(), s.Out},
		rows}, nil
}

// eachTap calls f for each pixel of y and each tap of the window that meets a pixel of x there.
// Pixels are counted in the order n, h, w, taps in the order r, s.
func eachTap(images, height, width int, win tensor.Window, f func(yPixel, xPixel, tap int)) {
	outHeight, outWidth := win.Output(height, width)
	for n := range images {
		for h := range outHeight {
			for w := range outWidth {
				for r := range win.Height {
					for s := range win.Width {
						xh, xw := h*win.StrideH+r-win.Top, w*win.StrideW+s-win.Left
						if xh >= 0 && xh < height && xw >= 0 && xw < width {
							f((n*outHeight+h)*outWidth+w, (n*height+xh)*width+xw, r*win.Width+s)
						}
					}
				}
			}
		}
	}
}

func (l *linear) eachTap(f func(yPixel, xPixel, tap int)) { eachTap(l.N, l.H, l.W, l.Window, f) }

// isPart reports whether the plan is of some rows of a dense layer.
func (l *linear) isPart() bool { return l.rows.Len() < l.In }

// weights returns the elements of w.
func (l *linear) weights(w tensor.Tensor) []float64 {
	if !own(w).kernel {
		panic(errWeights)
	}
	return l.ref.arg(w, l.w)
}

func (l *linear) Forward(y, x, w, b tensor.Tensor) {
	if l.isPart() {
		panic(errForward)
	}
	yv, xv, wv := l.ref.arg(y, l.y), l.ref.arg(x, l.x), l.weights(w)
	clear(yv)
	if b != nil {
		bv := l.ref.arg(b, tensor.Shape{l.Out})
		for i := range yv {
			yv[i] = bv[i%l.Out]
		}
	}
	l.eachTap(func(yPixel, xPixel, tap int) {
		yRow := yv[yPixel*l.Out:][:l.Out]
		for i, a := range xv[xPixel*l.In:][:l.In] {
			wRow := wv[(tap*l.In+i)*l.Out:][:l.Out]
			for o := range yRow {
				yRow[o] += a * wRow[o]
			}
		}
	})
	function(yv, yv, l.Function)
}

func (l *linear) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	if l.Inference {
		panic(errInference)
	}
	dwv, dyv, xv := l.ref.arg(dw, l.w), l.ref.arg(dy, l.y), l.ref.arg(x, l.x)
	if db != nil {
		dbv := l.ref.arg(db, tensor.Shape{l.Out})
		clear(dbv)
		if !l.BatchNorm { // which takes any constant away again
			for i, d := range dyv {
				dbv[i%l.Out] += d
			}
		}
	}
	clear(dwv)
	l.eachTap(func(yPixel, xPixel, tap int) {
		dyRow := dyv[yPixel*l.Out:][:l.Out]
		for i, a := range xv[xPixel*l.In:][l.rows.From:l.rows.To] {
			dwRow := dwv[(tap*l.rows.Len()+i)*l.Out:][:l.Out]
			for o := range dwRow {
				dwRow[o] += a * dyRow[o]
			}
		}
	})
}

func (l *linear) BackwardData(dx, dy, w tensor.Tensor) {
	if l.Inference {
		panic(errInference)
	}
	if l.NoInputGrad {
		panic(errInputGrad)
	}
	dxv, dyv, wv := l.ref.arg(dx, l.x), l.ref.arg(dy, l.y), l.weights(w)
	dxRow := func(pixel int) []float64 { return dxv[pixel*l.In:][l.rows.From:l.rows.To] }
	for pixel := range l.N * l.H * l.W {
		clear(dxRow(pixel))
	}
	l.eachTap(func(yPixel, xPixel, tap int) {
		dyRow := dyv[yPixel*l.Out:][:l.Out]
		for i := range l.rows.Len() {
			wRow := wv[(tap*l.rows.Len()+i)*l.Out:][:l.Out]
			var sum float64
			for o, d := range dyRow {
				sum += d * wRow[o]
			}
			dxRow(xPixel)[i] += sum
		}
	})
}
