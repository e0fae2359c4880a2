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

// SumBF16 is Sum of bf16, rounded once, or with a floor of 0 instead of −Inf SumReLU. From
// AVX512BF16 on, it rounds subnormals to zero. y may be a or b. tmp has twice as many elements.
func (l Level) SumBF16(y, a, b []BF16, floor float32, tmp []float32) {
	if len(a) != len(y) || len(b) != len(y) {
		panic(errLength)
	}
	n := l.sumBF16Wide(y, a, b, floor)
	if n == len(y) {
		return
	}
	sum, rest := l.widen(a[n:], tmp)
	other, _ := l.widen(b[n:], rest)
	if floor == 0 {
		l.SumReLU(sum, sum, other)
	} else {
		l.Sum(sum, sum, other)
	}
	l.RoundBF16(y[n:], sum)
}

// SumReLUGradBF16 is SumReLUGrad of bf16. tmp has three times as many elements as dy.
func (l Level) SumReLUGradBF16(d, dy, a, b []BF16, tmp []float32) {
	if len(dy) != len(d) || len(a) != len(d) || len(b) != len(d) {
		panic(errLength)
	}
	n := l.sumReLUGradBF16Wide(d, dy, a, b)
	if n == len(d) {
		return
	}
	first, rest := l.widen(a[n:], tmp)
	second, rest := l.widen(b[n:], rest)
	grad, _ := l.widen(dy[n:], rest)
	l.SumReLUGrad(grad, grad, first, second)
	l.RoundBF16(d[n:], grad)
}
