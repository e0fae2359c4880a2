package ops

import "math"

const errLabel = "ops: label is not a class"

// CrossEntropy is the cross-entropy of probabilities against a class,
//
//	loss = −Σ t[i]·log p[i],  t[i] = (1 − s)·[i = label] + s/C
//
// for the C classes, and s = Smoothing. p is the softmax of C logits. With Sigmoid, C is 2 and p[1]
// is the sigmoid of one logit.
type CrossEntropy struct {
	Sigmoid   bool
	Smoothing float64
}

// Loss returns the loss of a row of logits, computed without clipping, and whether the most
// probable class, the first if several are equal, is the label.
func (e CrossEntropy) Loss(logits []float32, label int) (loss float64, correct bool) {
	if e.Sigmoid {
		z := float64(logits[0])
		return softplus(z) - e.sigmoidTarget(label)*z, z == z && z > 0 == (label == 1)
	}
	if label < 0 || label >= len(logits) {
		panic(errLabel)
	}
	largest, sum := exponentials(logits)
	for i, v := range logits {
		if v == largest {
			correct = i == label
			break
		}
	}
	target := float64(logits[label]) - float64(largest) // Σ t·(logits − largest)
	if e.Smoothing != 0 {
		all := 0.0
		for _, v := range logits {
			all += float64(v) - float64(largest)
		}
		target = (1-e.Smoothing)*target + e.Smoothing*all/float64(len(logits))
	}
	return math.Log(sum) - target, correct
}

// Grad sets d to scale times the gradient of Loss, p[i] − t[i]. d may be logits.
func (e CrossEntropy) Grad(d, logits []float32, label int, scale float64) {
	if e.Sigmoid {
		d[0] = float32((sigmoid(float64(logits[0])) - e.sigmoidTarget(label)) * scale)
		return
	}
	if label < 0 || label >= len(logits) {
		panic(errLabel)
	}
	largest, sum := exponentials(logits)
	rest := e.Smoothing / float64(len(logits))
	for i, v := range logits {
		p := math.Exp(float64(v)-float64(largest))/sum - rest
		if i == label {
			p -= 1 - e.Smoothing
		}
		d[i] = float32(p * scale)
	}
}

// sigmoidTarget returns t[1].
func (e CrossEntropy) sigmoidTarget(label int) float64 {
	if label != 0 && label != 1 {
		panic(errLabel)
	}
	return float64(label)*(1-e.Smoothing) + e.Smoothing/2
}
