package ops

// Sum sets y[i] = a[i] + b[i]. y may be a or b.
func (l Level) Sum(y, a, b []float32) {
	if len(a) != len(y) || len(b) != len(y) {
		panic(errLength)
	}
	for i := l.sumWide(y, a, b); i < len(y); i++ {
		y[i] = a[i] + b[i]
	}
}

// SumReLU sets y[i] = max(0, a[i] + b[i]). y may be a or b.
func (l Level) SumReLU(y, a, b []float32) {
	if len(a) != len(y) || len(b) != len(y) {
		panic(errLength)
	}
	for i := l.sumReLUWide(y, a, b); i < len(y); i++ {
		y[i] = max(0, a[i]+b[i])
	}
}

// SumReLUGrad sets d[i] = dy[i] where a[i] + b[i] > 0, else 0. d may be any of the others.
func (l Level) SumReLUGrad(d, dy, a, b []float32) {
	if len(dy) != len(d) || len(a) != len(d) || len(b) != len(d) {
		panic(errLength)
	}
	for i := l.sumReLUGradWide(d, dy, a, b); i < len(d); i++ {
		g := dy[i]
		if a[i]+b[i] <= 0 {
			g = 0
		}
		d[i] = g
	}
}
