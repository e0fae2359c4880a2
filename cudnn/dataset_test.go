//go:build cudnn && cgo && linux

package cudnn

import (
	"context"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// TestImagesFromTheCard trains with the data set on the card, and with images from the host: to the
// same bits.
func TestImagesFromTheCard(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	images := cifar.Shapes(1, 14, 5)
	net, err := nn.Build(nn.Sequential{Input: tensor.Shape{cifar.Size, cifar.Size, cifar.Channels}, Classes: 10, Layers: []nn.Layer{
		nn.Conv2D{Filters: 2, Kernel: 3}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{}, nn.MaxPool{}, nn.MaxPool{}, nn.Flatten{}, nn.Dense{Units: 10}}})
	must(t, net, err)
	for _, precision := range []string{"fp32", "bf16"} {
		var weights [2][]float32
		for i := range weights {
			b := openFake(t, Options{Precision: precision})
			schedule, err := nn.ParseSchedule("0.01")
			must(t, schedule, err)
			init, err := nn.ParseInit("he_normal")
			must(t, init, err)
			c := nn.Config{Epochs: 3, Batch: 4, Schedule: schedule, Init: init, Momentum: 0.9,
				Data: images.Training(cifar.MeanOnly(), cifar.SubPixel, 3), Validation: images.Validation(cifar.MeanOnly())}
			if i == 1 {
				c.Data, c.Validation = struct{ nn.Data }{c.Data}, struct{ nn.Data }{c.Validation}
			}
			trainer, err := nn.NewTrainer(b, net, c)
			must(t, trainer, err)
			if err := trainer.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			for _, w := range net.Weights {
				values, err := trainer.Model.Get(w.Name)
				must(t, values, err)
				weights[i] = append(weights[i], values...)
			}
			b.Close()
		}
		if !slices.Equal(weights[0], weights[1]) {
			t.Errorf("%s: other weights", precision)
		}
	}
}
