package nn_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// Train a small network to distinguish horizontal bars from vertical ones.
func ExampleTrainer() {
	net, err := nn.Build(nn.Sequential{Input: tensor.Shape{8, 8, 1}, Classes: 2, Layers: []nn.Layer{
		nn.Conv2D{Filters: 8, Kernel: 3}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Flatten{}, nn.Dense{Units: 2},
	}})
	check(err)
	b, err := cpu.Open(cpu.Options{})
	check(err)
	defer b.Close()
	trainer, err := nn.NewTrainer(b, net, nn.Config{
		Data: bars(500), Validation: bars(100), Epochs: 3, Batch: 20,
		Schedule: nn.Constant(0.02), Momentum: 0.9,
	})
	check(err)
	defer trainer.Close()
	check(trainer.Run(context.Background()))
	last := trainer.History[len(trainer.History)-1]
	fmt.Printf("epoch %d, validation accuracy %.0f %%\n", last.Epoch, 100*last.Validation.Accuracy)
	// Output: epoch 3, validation accuracy 100 %
}

// Classify an image with a saved model.
func ExampleOpenModel() {
	checkpoint := trained()
	defer os.RemoveAll(filepath.Dir(checkpoint))
	b, err := cpu.Open(cpu.Options{})
	check(err)
	defer b.Close()
	model, err := nn.OpenModel(b, checkpoint)
	check(err)
	defer model.Close()
	predictor, err := model.NewPredictor(1)
	check(err)
	defer predictor.Close()
	image := make([]float32, 8*8)
	for x := range 8 {
		image[5*8+x] = 1
	}
	probabilities, err := predictor.Probabilities(image)
	check(err)
	fmt.Printf("horizontal: %v\n", probabilities[0] > 0.9)
	// Output: horizontal: true
}

// Train a new head for other classes on an opened model, whose first layers keep their weights.
func ExampleSequential_NewHead() {
	checkpoint := trained()
	defer os.RemoveAll(filepath.Dir(checkpoint))
	b, err := cpu.Open(cpu.Options{})
	check(err)
	defer b.Close()
	model, err := nn.OpenModel(b, checkpoint)
	check(err)
	network, err := model.NewHead(2)
	check(err)
	check(network.Freeze("conv*", "batch_normalization"))
	net, err := nn.Build(network)
	check(err)
	trainer, err := nn.NewTrainer(b, net, nn.Config{
		Data: bars(200), Epochs: 2, Batch: 20, From: model,
		Schedule: nn.Cosine(0.01), Optimizer: nn.AdamW{WeightDecay: 0.004},
	})
	check(err)
	defer trainer.Close()
	check(trainer.Run(context.Background()))
	trained, frozen := net.Parameters()
	fmt.Printf("%d parameters trained, %d frozen; accuracy above 90 %%: %v\n", trained, frozen, trainer.History[1].Accuracy > 0.9)
	// Output: 258 parameters trained, 112 frozen; accuracy above 90 %: true
}

// bars returns n images of 8x8, each with a bar across: horizontal (class 0) or vertical (1).
func bars(n int) *nn.Images {
	d := &nn.Images{Height: 8, Width: 8, Channels: 1, NumClasses: 2}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		image, at := make([]float32, 64), r.IntN(8)
		for p := range 64 {
			image[p] = 0.1 * float32(r.NormFloat64())
			if i%2 == 0 && p/8 == at || i%2 == 1 && p%8 == at {
				image[p]++
			}
		}
		d.Pixels = append(d.Pixels, image...)
		d.Labels = append(d.Labels, float32(i%2))
	}
	return d
}

// trained trains as ExampleTrainer does and returns the path of the checkpoint.
func trained() string {
	net, err := nn.Build(nn.Sequential{Input: tensor.Shape{8, 8, 1}, Classes: 2, Layers: []nn.Layer{
		nn.Conv2D{Filters: 8, Kernel: 3}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{}, nn.Flatten{}, nn.Dense{Units: 2},
	}})
	check(err)
	b, err := cpu.Open(cpu.Options{})
	check(err)
	defer b.Close()
	dir, err := os.MkdirTemp("", "bars")
	check(err)
	path := filepath.Join(dir, "checkpoint.lamina")
	trainer, err := nn.NewTrainer(b, net, nn.Config{
		Data: bars(500), Validation: bars(100), Epochs: 3, Batch: 20,
		Schedule: nn.Constant(0.02), Momentum: 0.9, Checkpoint: path,
	})
	check(err)
	check(trainer.Run(context.Background()))
	return path
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
