package ops

// SGD are the numbers of one step of stochastic gradient descent with momentum.
type SGD struct {
	LearningRate, Momentum float32
	Lambda                 float32 // λ of the L2 penalty λ·Σw²
	Nesterov               bool
}

// SGD makes one step on a part of the parameters,
//
//	g' = g + 2λ·w
//	v ← m·v − lr·g'
//	w ← w + m·v − lr·g'   with Nesterov, else  w ← w + v
//
// and returns Σw² of the old w. The rounding of each product and sum is that of
// float32, without fused multiply-add, as in Keras.
func (l Level) SGD(w, v, g []float32, s SGD) (squares float64) {
	if len(v) != len(w) || len(g) != len(w) {
		panic(errLength)
	}
	ofV, ofG := float32(1), float32(0)
	if s.Nesterov {
		ofV, ofG = s.Momentum, s.LearningRate
	}
	done, squares := l.sgdWide(w, v, g, s, ofV, ofG)
	for i := done; i < len(w); i++ {
		squares += float64(w[i]) * float64(w[i])
		gi := g[i] + float32(2*s.Lambda*w[i])
		v[i] = float32(s.Momentum*v[i]) - float32(s.LearningRate*gi)
		w[i] = w[i] + float32(ofV*v[i]) - float32(ofG*gi)
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
