package lamina_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// Train a small network, save it for Keras, and classify an image with it. README.md shows this
// code.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	check(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.keras")
	train(path)
	classifyBar(path)
	// Output: horizontal true
}

// classifyBar classifies an image with the model at path.
func classifyBar(path string) {
	ctx := context.Background()
	picture := image.NewGray(image.Rect(0, 0, 8, 8))
	for x := range 8 {
		picture.SetGray(x, 5, color.Gray{255})
	}

	model, err := classify.Open(path, classify.Options{}) // or OpenFS, for go:embed
	check(err)
	defer model.Close()
	results, err := model.Classify(ctx, picture)
	check(err)
	fmt.Println(results[0].Label(), results[0].Probability() > 0.9)
}

// train trains a network to distinguish bars, and saves it at path.
func train(path string) {
	images, validation := bars(500), bars(100)

	net, err := nn.Build(nn.Sequential{
		Input: tensor.Shape{8, 8, 1}, Classes: 2, Labels: []string{"horizontal", "vertical"},
		Mean: []float32{0}, Std: []float32{255}, // of pixels from 0 to 255
		Layers: []nn.Layer{
			nn.Conv2D{Filters: 8, Kernel: 3}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
			nn.Flatten{}, nn.Dense{Units: 2},
		}})
	check(err)
	engine, err := cpu.Open(cpu.Options{})
	check(err)
	defer engine.Close()
	trainer, err := nn.NewTrainer(engine, net, nn.Config{
		Data: images, Validation: validation,
		Epochs: 3, Batch: 20, Schedule: nn.Constant(0.02), Momentum: 0.9,
	})
	check(err)
	check(trainer.Run(context.Background()))
	check(keras.Save(path, trainer.Model, nil)) // for Keras, and for classify
}

// bars returns n images of 8x8 pixels with a bar each: horizontal, class 0, or vertical, class 1.
func bars(n int) *nn.Images {
	d := &nn.Images{Height: 8, Width: 8, Channels: 1, NumClasses: 2}
	for i := range n {
		image := make([]float32, 8*8)
		at := i / 2 % 8
		for j := range 8 {
			if i%2 == 0 {
				image[8*at+j] = 1
			} else {
				image[8*j+at] = 1
			}
		}
		d.Pixels = append(d.Pixels, image...)
		d.Labels = append(d.Labels, float32(i%2))
	}
	return d
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
