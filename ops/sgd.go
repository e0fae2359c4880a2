package ops

// SGD are the hyperparameters of stochastic gradient descent with momentum.
type SGD struct {
	LearningRate, Momentum float32
	Lambda                 float32 // λ of the L2 penalty λ·Σw²
	Nesterov               bool
}

// sgdCoefficients are the coefficients of a step, v = momentum·v − rate·(g + decay·w) and
// w = w + wV·v − wG·(g + decay·w).
type sgdCoefficients struct{ decay, momentum, rate, wV, wG float32 }

// SGD makes one step on a range of the parameters,
//
//	g' = g + 2λ·w
//	v ← m·v − lr·g'
//	w ← w + m·v − lr·g'   with Nesterov, else  w ← w + v
//
// and returns Σw² of the old w. Each product and sum is rounded to float32, without fused
// multiply-add, as in Keras.
func (l Level) SGD(w, v, g []float32, s SGD) (squares float64) {
	if len(v) != len(w) || len(g) != len(w) {
		panic(errLength)
	}
	c := sgdCoefficients{decay: 2 * s.Lambda, momentum: s.Momentum, rate: s.LearningRate, wV: 1}
	if s.Nesterov {
		c.wV, c.wG = s.Momentum, s.LearningRate
	}
	done, squares := l.sgdWide(w, v, g, c)
	for i := done; i < len(w); i++ {
		squares += float64(w[i]) * float64(w[i])
		gi := g[i] + float32(c.decay*w[i])
		v[i] = float32(c.momentum*v[i]) - float32(c.rate*gi)
		w[i] = w[i] + float32(c.wV*v[i]) - float32(c.wG*gi)
	}
	return squares
}

// SumSquares returns Σx².
func (l Level) SumSquares(x []float32) float64 {
	done, sum := l.sumSquaresWide(x)
	for _, v := range x[done:] {
		sum += float64(v) * float64(v)
	}
	return sum
}
