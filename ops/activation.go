package ops

// ReLU sets y[i] = max(0, x[i]). y may be x.
func (l Level) ReLU(y, x []float32) {
	if len(y) != len(x) {
		panic(errLength)
	}
	for i := l.reluWide(y, x); i < len(x); i++ {
		y[i] = max(0, x[i])
	}
}

// ReLUGrad sets dx[i] = dy[i] where x[i] > 0, else 0. dx may be x or dy.
func (l Level) ReLUGrad(dx, dy, x []float32) {
	if len(dx) != len(x) || len(dy) != len(x) {
		panic(errLength)
	}
	for i := l.reluGradWide(dx, dy, x); i < len(x); i++ {
		g := dy[i]
		if x[i] <= 0 {
			g = 0
		}
		dx[i] = g
	}
}

// MaxPool sets each element of y to the largest of the four blocks of the window at x.
func (l Level) MaxPool(y, x []float32, w Window2x2) {
	b := windowBlocks(w, x, len(y))
	for i := l.maxPoolWide(y, &b); i < len(y); i++ {
		y[i] = max(b[0][i], b[1][i], b[2][i], b[3][i])
	}
}

// MaxPoolBF16 is MaxPool in bf16.
func (l Level) MaxPoolBF16(y, x []BF16, w Window2x2) {
	b := windowBlocks(w, x, len(y))
	for i := l.maxPoolBF16Wide(y, &b); i < len(y); i++ {
		most := max(b[0][i].Float32(), b[1][i].Float32(), b[2][i].Float32(), b[3][i].Float32())
		y[i] = roundBF16(most) // exact: it is one of them
	}
}

// MaxPoolGrad sets the four blocks of the window at dx: each element of dy goes to the first of the
// largest elements at x, and the others get 0. dx may be x.
func (l Level) MaxPoolGrad(dx, dy, x []float32, w Window2x2) {
	b, d := windowBlocks(w, x, len(dy)), windowBlocks(w, dx, len(dy))
	for i := l.maxPoolGradWide(&d, dy, &b); i < len(dy); i++ {
		first := 0
		for k := 1; k < 4; k++ {
			if v := b[k][i]; v > b[first][i] || v != v {
				first = k
			}
		}
		for k := range d {
			d[k][i] = 0
		}
		d[first][i] = dy[i]
	}
}

// MaxPoolGradBF16 is MaxPoolGrad in bf16. tmp has five times as many elements as dy.
func (l Level) MaxPoolGradBF16(dx, dy, x []BF16, w Window2x2, tmp []float32) {
	wide, dense, rest := l.widenWindow(x, w, len(dy), tmp)
	grad, _ := l.widen(dy, rest)
	l.MaxPoolGrad(wide, grad, wide, dense)
	l.roundWindow(dx, w, len(dy), wide)
}
