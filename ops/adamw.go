package ops

import "math"

// AdamW are the hyperparameters of Adam with decoupled weight decay
// (https://arxiv.org/abs/1711.05101), in the form of Keras.
type AdamW struct {
	Beta1, Beta2, Epsilon, WeightDecay float32
	Lambda                             float32 // λ of the L2 penalty λ·Σw²
	LearningRate                       float32
	Step                               uint64 // t, from 1 on
}

// adamWCoefficients are the coefficients of a step: with g' = g + decay·w it computes m += (g' −
// m)·new1, v += (g'² − v)·new2 and w = keep·w − rate·m/(√v + epsilon).
type adamWCoefficients struct{ decay, new1, new2, keep, rate, epsilon float32 }

func (s AdamW) coefficients() adamWCoefficients {
	beta1, beta2, t := float64(s.Beta1), float64(s.Beta2), float64(s.Step)
	return adamWCoefficients{
		decay: 2 * s.Lambda, new1: float32(1 - beta1), new2: float32(1 - beta2),
		keep:    float32(1 - float64(s.LearningRate)*float64(s.WeightDecay)),
		rate:    float32(float64(s.LearningRate) * math.Sqrt(1-math.Pow(beta2, t)) / (1 - math.Pow(beta1, t))),
		epsilon: s.Epsilon,
	}
}

// AdamW makes one step on a range of the parameters,
//
//	g' = g + 2λ·w
//	w ← w − lr·WeightDecay·w
//	m ← m + (g' − m)·(1 − β1)
//	v ← v + (g'² − v)·(1 − β2)
//	w ← w − lr·√(1 − β2^t)/(1 − β1^t)·m/(√v + ε)
//
// and returns Σw² of the old w. Each product and sum is rounded to float32.
func (l Level) AdamW(w, m, v, g []float32, s AdamW) (squares float64) {
	if len(m) != len(w) || len(v) != len(w) || len(g) != len(w) {
		panic(errLength)
	}
	c := s.coefficients()
	done, squares := l.adamWWide(w, m, v, g, c)
	for i := done; i < len(w); i++ {
		squares += float64(w[i]) * float64(w[i])
		d := g[i] + float32(c.decay*w[i])
		m[i] += float32((d - m[i]) * c.new1)
		v[i] += float32((float32(d*d) - v[i]) * c.new2)
		move := float32(c.rate*m[i]) / (float32(math.Sqrt(float64(v[i]))) + c.epsilon)
		w[i] = float32(c.keep*w[i]) - move
	}
	return squares
}
