//go:build cudnn && cgo && linux

package cudnn

import (
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// smallNetwork is a convolution and a dense layer.
type smallNetwork struct {
	t              *testing.T
	b              *Backend
	all, v, g      tensor.Tensor
	images, labels tensor.Tensor
	run            func()
	trained        backend.Step // of run
}

// must returns v, or ends the test.
func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newSmallNetwork(t *testing.T, b *Backend) *smallNetwork {
	t.Helper()
	const batch, size, channels, features, classes = 6, 8, 8, 128, 10
	parameters := 9*3*channels + channels + 2*channels + features*classes + classes
	flat := tensor.Shape{parameters}
	n := &smallNetwork{t: t, b: b}
	newParameters := func(shape tensor.Shape) tensor.Tensor {
		p, err := b.Parameters(shape)
		return must(t, p, err)
	}
	n.all, n.v, n.g = newParameters(flat), newParameters(flat), newParameters(flat)
	n.labels = newParameters(tensor.Shape{batch})
	statistics := newParameters(tensor.Shape{2 * channels})
	activations := func(shape ...int) tensor.Tensor {
		a, err := b.Activations(shape)
		return must(t, a, err)
	}
	n.images = activations(batch, size, size, 3)
	at := 0
	weight := func(shape ...int) (w, dw tensor.Tensor) {
		w, dw = b.View(n.all, at, shape), b.View(n.g, at, shape)
		at += tensor.Shape(shape).Size()
		return w, dw
	}
	w, dw := weight(3, 3, 3, channels)
	bias, dbias := weight(channels)
	gamma, dgamma := weight(channels)
	beta, dbeta := weight(channels)
	u, du := weight(features, classes)
	c, dc := weight(classes)
	mean, variance := b.View(statistics, 0, tensor.Shape{channels}), b.View(statistics, channels, tensor.Shape{channels})

	conv, err := b.Conv2D(backend.Conv2DSpec{N: batch, H: size, W: size, In: 3, Out: channels, Window: tensor.Centered(3), BatchNorm: true, NoInputGrad: true})
	must(t, conv, err)
	x := activations(batch, size, size, channels)
	norm, err := b.BatchNorm(backend.BatchNormSpec{Shape: x.Shape(), Epsilon: 1e-3, Momentum: 0.9, Function: tensor.Rectifier(), Pool: true})
	must(t, norm, err)
	y := activations(batch, size/2, size/2, channels)
	flatten, err := b.Flatten(y.Shape())
	must(t, flatten, err)
	row := activations(batch, features)
	dropout, err := b.Dropout(backend.DropoutSpec{Shape: row.Shape(), Rate: 0.5, Seed: 1})
	must(t, dropout, err)
	kept := activations(batch, features)
	dense, err := b.Dense(backend.DenseSpec{N: batch, In: features, Out: classes})
	must(t, dense, err)
	logits := activations(batch, classes)
	loss, err := b.Loss(backend.LossSpec{N: batch, Classes: classes})
	must(t, loss, err)
	sgd, err := b.SGD(backend.SGDSpec{Size: parameters, Decay: []backend.Decay{{Offset: 0, Size: 216, Lambda: 0.01}}, Momentum: 0.9, Nesterov: true})
	must(t, sgd, err)
	n.run = func() {
		conv.Forward(x, n.images, w, bias)
		norm.Forward(y, x, gamma, beta, mean, variance)
		flatten.Forward(row, y)
		dropout.Forward(kept, row)
		dense.Forward(logits, kept, u, c)
		loss.Forward(logits, n.labels)
		loss.Backward(logits, logits, n.labels)
		dense.BackwardFilter(du, dc, logits, kept)
		dense.BackwardData(kept, logits, u)
		dropout.Backward(row, kept, row)
		flatten.Backward(y, row, y)
		norm.Backward(x, dgamma, dbeta, y, x, gamma, beta)
		conv.BackwardFilter(dw, dbias, x, n.images)
		sgd.Step(n.all, []tensor.Tensor{n.v}, n.g)
	}
	n.trained = b.Record(n.run)
	return n
}

// step trains on a batch.
func (n *smallNetwork) step(i uint64) error {
	images := make([]float32, n.images.Shape().Size())
	for j := range images {
		images[j] = float32((uint64(j)*7+i)%13) - 6
	}
	if err := n.b.Write(n.images, images); err != nil {
		return err
	}
	if err := n.b.Write(n.labels, []float32{0, 1, 2, 3, 4, 5}); err != nil {
		return err
	}
	return n.trained.Run(backend.StepValues{LearningRate: 0.1, Step: i})
}

// steps trains on some batches.
func (n *smallNetwork) steps(count int) {
	n.t.Helper()
	for i := range count {
		if err := n.step(uint64(i)); err != nil {
			n.t.Fatal(err)
		}
	}
}

func (n *smallNetwork) weights(count int) tensor.Tensor {
	return n.b.View(n.all, 0, tensor.Shape{count})
}
