package backendtest

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// depthwise is a convolution of each channel by itself.
type depthwise struct {
	ref *reference
	backend.DepthwiseSpec
	x, y, w, b tensor.Shape
}

func (r *reference) DepthwiseConv2D(s backend.DepthwiseSpec) (backend.Conv2D, error) {
	s.Window.Check(s.H, s.W)
	if !s.Inference && s.Function != (tensor.Function{}) && !s.Function.IsRectifier() {
		panic(errFusedFunction)
	}
	if s.Constant && !s.Inference {
		panic(errConstant)
	}
	h, w := s.Window.Output(s.H, s.W)
	out := s.C * s.Multiplier
	return &depthwise{r, s,
		tensor.Shape{s.N, s.H, s.W, s.C},
		tensor.Shape{s.N, h, w, out},
		tensor.Shape{s.Window.Height, s.Window.Width, s.C, s.Multiplier},
		tensor.Shape{out}}, nil
}

// eachProduct calls f for each product of the convolution: y[i] += x[j]·w[k].
func (d *depthwise) eachProduct(f func(y, x, w int)) {
	out := d.C * d.Multiplier
	eachTap(d.N, d.H, d.W, d.Window, func(yPixel, xPixel, tap int) {
		for o := range out {
			f(yPixel*out+o, xPixel*d.C+o/d.Multiplier, tap*out+o)
		}
	})
}

func (d *depthwise) Forward(y, x, w, b tensor.Tensor) {
	yv, xv, wv := d.ref.arg(y, d.y), d.ref.arg(x, d.x), d.ref.arg(w, d.w)
	clear(yv)
	if b != nil {
		bv := d.ref.arg(b, d.b)
		for i := range yv {
			yv[i] = bv[i%len(bv)]
		}
	}
	d.eachProduct(func(y, x, w int) { yv[y] += xv[x] * wv[w] })
	function(yv, yv, d.Function)
}

func (d *depthwise) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	if d.Inference {
		panic(errInference)
	}
	dwv, dyv, xv := d.ref.arg(dw, d.w), d.ref.arg(dy, d.y), d.ref.arg(x, d.x)
	if db != nil {
		dbv := d.ref.arg(db, d.b)
		clear(dbv)
		if !d.BatchNorm { // which takes any constant away again
			for i, v := range dyv {
				dbv[i%len(dbv)] += v
			}
		}
	}
	clear(dwv)
	d.eachProduct(func(y, x, w int) { dwv[w] += xv[x] * dyv[y] })
}

func (d *depthwise) BackwardData(dx, dy, w tensor.Tensor) {
	if d.Inference {
		panic(errInference)
	}
	if d.NoInputGrad {
		panic(errInputGrad)
	}
	dxv, dyv, wv := d.ref.arg(dx, d.x), d.ref.arg(dy, d.y), d.ref.arg(w, d.w)
	clear(dxv)
	d.eachProduct(func(y, x, w int) { dxv[x] += dyv[y] * wv[w] })
}
