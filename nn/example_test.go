package nn_test

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/classify"
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

// Train a network of one's own on one's own images, train/CLASS/*.png and test/CLASS/*.png, and
// classify another image with it.
func Example_ownImages() {
	ctx := context.Background()
	folder := photos()
	defer os.RemoveAll(folder)
	d, err := cifar.Open(ctx, folder, cifar.Options{}) // resizes them to 32x32
	check(err)
	n, size := cifar.MeanOnly(), tensor.Shape{cifar.Size, cifar.Size, cifar.Channels}
	net, err := nn.Build(nn.Sequential{
		Input: size, Classes: len(d.Classes), Labels: d.Classes, Mean: n.Mean[:], Std: []float32{1, 1, 1},
		Layers: []nn.Layer{
			nn.Conv2D{Filters: 8, Kernel: 3}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
			nn.Conv2D{Filters: 16, Kernel: 3}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
			nn.Flatten{}, nn.Dense{Units: len(d.Classes)},
		}})
	check(err)
	engine, err := cpu.Open(cpu.Options{})
	check(err)
	defer engine.Close()
	trainer, err := nn.NewTrainer(engine, net, nn.Config{
		Data: d.Training(n, cifar.WholePixel, 1), Validation: d.Validation(n),
		Epochs: 5, Batch: 10, Schedule: nn.Constant(0.01), Momentum: 0.9,
	})
	check(err)
	check(trainer.Run(ctx))
	m, err := classify.New(trainer.Model, "bars", classify.Options{})
	check(err)
	results, err := m.Classify(ctx, photo(image.Rect(0, 20, 50, 30)))
	check(err)
	fmt.Println(d.Classes, results[0].Label())
	// Output: [horizontal vertical] horizontal
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

// photos makes a folder of photos of 50x50 pixels, each with a bar across.
func photos() string {
	dir, err := os.MkdirTemp("", "photos")
	check(err)
	for split, count := range map[string]int{"train": 50, "test": 10} {
		for i := range count {
			at := 40 * i / count
			for class, bar := range map[string]image.Rectangle{
				"horizontal": image.Rect(0, at, 50, at+10), "vertical": image.Rect(at, 0, at+10, 50)} {
				folder := filepath.Join(dir, split, class)
				check(os.MkdirAll(folder, 0o755))
				f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%d.png", i)))
				check(err)
				check(png.Encode(f, photo(bar)))
				check(f.Close())
			}
		}
	}
	return dir
}

func photo(bar image.Rectangle) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 50, 50))
	draw.Draw(m, m.Bounds(), image.Black, image.Point{}, draw.Src)
	draw.Draw(m, bar, image.White, image.Point{}, draw.Src)
	return m
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
