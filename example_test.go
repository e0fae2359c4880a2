package lamina_test

import (
	"context"
	"fmt"
	"log"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// Train a small network and classify an image with it. README.md shows this code.
func Example() {
	images, validation := bars(500), bars(100)

	net, err := nn.Build(nn.Sequential{Input: tensor.Shape{8, 8, 1}, Classes: 2, Layers: []nn.Layer{
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
	predictor, err := trainer.Model.NewPredictor(1) // images at once
	check(err)
	probabilities, err := predictor.Probabilities(images.Pixels[:8*8])
	check(err)

	fmt.Printf("horizontal: %v\n", probabilities[0] > 0.9)
	// Output: horizontal: true
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
