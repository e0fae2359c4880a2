package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// benchTensors makes random tensors for a benchmark.
type benchTensors struct {
	*Backend
	rng *rand.Rand
}

func (b *benchTensors) activation(shape ...int) tensor.Tensor {
	return b.fill(must(b.Activations(shape)))
}
func (b *benchTensors) parameter(shape ...int) tensor.Tensor {
	return b.fill(must(b.Parameters(shape)))
}

// kernel makes the w of a convolution or a dense layer.
func (b *benchTensors) kernel(shape ...int) tensor.Tensor {
	return must(b.Kernel(b.parameter(shape...), 0, shape))
}

func (b *benchTensors) fill(t tensor.Tensor) tensor.Tensor {
	x := make([]float32, t.Shape().Size())
	for i := range x {
		x[i] = b.rng.Float32()
	}
	if err := b.Write(t, x); err != nil {
		panic(err)
	}
	return t
}

func eachBench(b *testing.B, f func(b *testing.B, t *benchTensors)) {
	for _, level := range ops.FloatLevels() {
		b.Run(level.String(), func(b *testing.B) {
			f(b, &benchTensors{open(b, Options{Level: level}), rand.New(rand.NewPCG(1, 2))})
		})
	}
}

// The layers of VGG at batch 128: those before a pool, one of block 1 before none, a dense one.
func BenchmarkBatchNorm(b *testing.B) {
	for _, s := range []struct {
		name  string
		shape tensor.Shape
		pool  bool
	}{
		{"block1_conv1", tensor.Shape{128, 32, 32, 64}, false},
		{"block1_conv2", tensor.Shape{128, 32, 32, 64}, true},
		{"block3_conv3", tensor.Shape{128, 8, 8, 256}, true},
		{"block5_conv1", tensor.Shape{128, 2, 2, 512}, false},
		{"fc2", tensor.Shape{128, 4096}, false},
	} {
		for _, pass := range []string{"forward", "backward"} {
			b.Run(s.name+"/"+pass, func(b *testing.B) {
				eachBench(b, func(b *testing.B, t *benchTensors) {
					n, h, w, c := s.shape.NHWC()
					x, out := t.activation(s.shape...), s.shape
					bytes := 3 * s.shape.Size() // x twice, y
					if s.pool {
						out = tensor.Shape{n, h / 2, w / 2, c}
						bytes = 2*s.shape.Size() + out.Size()
					}
					y := t.activation(out...)
					var p [6]tensor.Tensor
					for i := range p {
						p[i] = t.parameter(c)
					}
					plan := must(t.BatchNorm(backend.BatchNormSpec{Shape: s.shape, Epsilon: 1e-3, Momentum: 0.99, Function: tensor.Rectifier(), Pool: s.pool}))
					plan.Forward(y, x, p[0], p[1], p[2], p[3])
					if pass == "forward" {
						b.SetBytes(int64(4 * bytes))
						for b.Loop() {
							plan.Forward(y, x, p[0], p[1], p[2], p[3])
						}
						return
					}
					b.SetBytes(int64(4 * (3*s.shape.Size() + 2*out.Size())))
					dx := t.activation(s.shape...)
					for b.Loop() {
						plan.Backward(dx, p[4], p[5], y, x, p[0], p[1])
					}
				})
			})
		}
	}
}

func BenchmarkDropout(b *testing.B) {
	eachBench(b, func(b *testing.B, t *benchTensors) {
		x, y := t.activation(128, 4096), t.activation(128, 4096)
		plan := must(t.Dropout(backend.DropoutSpec{Shape: x.Shape(), Rate: 0.5, Seed: 1}))
		b.SetBytes(2 * 4 * 128 * 4096)
		for b.Loop() {
			plan.Forward(y, x)
		}
	})
}

func BenchmarkSGD(b *testing.B) {
	for _, size := range []int{28165918, 38975326} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			eachBench(b, func(b *testing.B, t *benchTensors) {
				w, v, g := t.parameter(size), t.parameter(size), t.parameter(size)
				plan := must(t.SGD(backend.SGDSpec{
					Size: size, Decay: []backend.Decay{{Offset: 0, Size: size, Lambda: 5e-4}}, Momentum: 0.9, Nesterov: true,
				}))
				b.SetBytes(int64(5 * 4 * size))
				for b.Loop() {
					plan.Step(w, []tensor.Tensor{v}, g)
				}
			})
		})
	}
}

// The images of a batch, and how they come to be stored by position.
func BenchmarkWrite(b *testing.B) {
	t := &benchTensors{open(b, Options{}), rand.New(rand.NewPCG(1, 2))}
	x := t.activation(128, 32, 32, 3)
	src := make([]float32, x.Shape().Size())
	b.SetBytes(int64(2 * 4 * len(src)))
	for b.Loop() {
		if err := t.Write(x, src); err != nil {
			b.Fatal(err)
		}
	}
}
