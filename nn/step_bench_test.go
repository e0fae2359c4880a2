package nn

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// BenchmarkFrozen measures a training step of VGG16, and of one whose first four blocks are frozen.
func BenchmarkFrozen(b *testing.B) {
	level, err := ops.Best()
	if err != nil {
		b.Fatal(err)
	}
	const batch = 128
	for _, last := range []string{"", "block4_pool"} {
		b.Run(fmt.Sprintf("up to %q", last), func(b *testing.B) {
			input := tensor.Shape{32, 32, 3}
			s, err := VGG("vgg16", VGGOptions{Input: input, Classes: 10, BatchNorm: true, L2: 5e-4})
			if err != nil {
				b.Fatal(err)
			}
			if last != "" {
				if err := s.Freeze(".." + last); err != nil {
					b.Fatal(err)
				}
			}
			data := &Images{Height: 32, Width: 32, Channels: 3, NumClasses: 10,
				Pixels: make([]float32, batch*input.Size()), Labels: make([]float32, batch)}
			for i := range data.Pixels {
				data.Pixels[i] = float32(i*i%251)/100 - 1
			}
			measured := errors.New("measured")
			ctx, cancel := context.WithCancelCause(b.Context())
			const warm = 2
			t, err := NewTrainer(openCPU(b, level), mustBuild(b, s), Config{Data: data, Epochs: b.N + warm, Batch: batch,
				Schedule: Constant(1e-4), Momentum: 0.9, Init: HeNormal(), EveryStep: true,
				OnStep: func(p Progress) {
					switch p.Epoch {
					case warm:
						b.ResetTimer()
					case b.N + warm:
						b.StopTimer()
						cancel(measured)
					}
				}})
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			if err := t.Run(ctx); err != nil && !errors.Is(err, measured) {
				b.Fatal(err)
			}
		})
	}
}
