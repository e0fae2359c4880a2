package ops

import (
	"math"

	"github.com/lamina-go/lamina/tensor"
)

// Softmax sets y to the softmax of a row x,
//
//	y[i] = exp(x[i] − max x) / Σ exp(x − max x)
//
// with the exponential in float32 and the sum in float64. y may be x.
func (l Level) Softmax(y, x []float32) {
	if len(y) != len(x) {
		panic(errLength)
	}
	largest := x[0]
	for _, v := range x {
		largest = max(largest, v)
	}
	for i, v := range x {
		y[i] = v - largest
	}
	l.Function(y, y, tensor.Function{Kind: tensor.Exponential})
	sum := 0.0
	for _, v := range y {
		sum += float64(v)
	}
	scale := 1 / sum
	for i, v := range y {
		y[i] = float32(float64(v) * scale)
	}
}

// SoftmaxGrad sets dx to the gradient of a row x, from that of its softmax y,
//
//	dx[i] = y[i]·(dy[i] − Σ dy·y)
//
// dx may be dy or y.
func (l Level) SoftmaxGrad(dx, dy, y []float32) {
	if len(dx) != len(y) || len(dy) != len(y) {
		panic(errLength)
	}
	mean := 0.0
	for i, v := range y {
		mean += float64(v) * float64(dy[i])
	}
	for i, v := range y {
		dx[i] = float32(float64(v) * (float64(dy[i]) - mean))
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
