package ops

import "math"

const errLabel = "ops: label is not a class"

// SoftmaxLoss returns the cross-entropy of the softmax of one row of logits against a class,
//
//	log Σ exp(logits[i]) − logits[label]
//
// and whether the largest logit, the first if several are equal, is that of the class.
func SoftmaxLoss(logits []float32, label int) (loss float64, correct bool) {
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
	return math.Log(sum) - (float64(logits[label]) - float64(largest)), correct
}

// SoftmaxGrad sets d to scale times the gradient of SoftmaxLoss,
//
//	softmax(logits)[i] − [i = label]
//
// d may be logits.
func SoftmaxGrad(d, logits []float32, label int, scale float64) {
	if label < 0 || label >= len(logits) {
		panic(errLabel)
	}
	largest, sum := exponentials(logits)
	for i, v := range logits {
		p := math.Exp(float64(v)-float64(largest)) / sum
		if i == label {
			p--
		}
		d[i] = float32(p * scale)
	}
}

// exponentials returns the largest logit and Σ exp(logits[i] − largest).
func exponentials(logits []float32) (largest float32, sum float64) {
	largest = logits[0]
	for _, v := range logits {
		largest = max(largest, v)
	}
	for _, v := range logits {
		sum += math.Exp(float64(v) - float64(largest))
	}
	return largest, sum
}
