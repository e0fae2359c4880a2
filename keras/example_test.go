package keras_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// Save a model for Keras, and open the file again, as one that Keras has saved.
func Example() {
	dir, err := os.MkdirTemp("", "keras")
	check(err)
	defer os.RemoveAll(dir)
	b, err := cpu.Open(cpu.Options{})
	check(err)
	defer b.Close()
	net, err := nn.Build(nn.Sequential{Input: tensor.Shape{8, 8, 3}, Classes: 2, Labels: []string{"cat", "dog"},
		Layers: []nn.Layer{
			nn.Conv2D{Name: "conv", Filters: 4, Kernel: 3},
			nn.ReLU{},
			nn.Flatten{},
			nn.Dense{Name: "last", Units: 2},
		}})
	check(err)
	model, err := nn.NewModel(b, net)
	check(err)
	check(model.Init(nn.HeNormal(), 1))

	path := filepath.Join(dir, "model.h5")
	check(keras.Save(path, model, nil))
	opened, summary, err := keras.OpenModel(b, path)
	check(err)
	fmt.Println(opened.Labels, summary.Loaded)
	// Output: [cat dog] [conv/kernel conv/bias last/kernel last/bias]
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
