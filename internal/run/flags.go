package run

import (
	"path/filepath"
	"strings"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/nn"
)

// Flags binds flags to s, whose values are the defaults.
func (s *Settings) Flags() []cli.Group {
	network := cli.NewGroup("Network")
	network.StringVar(&s.Model, "model", s.Model, "`network`: "+strings.Join(nn.VGGNames(), ", ")+" (columns A to E of the paper)")
	network.BoolVar(&s.BatchNorm, "bn", s.BatchNorm, "batch normalization after every layer with weights; --bn=false leaves it out")
	network.Float32Var(&s.Dropout, "dropout", s.Dropout, "`rate` after the two hidden dense layers, from 0 to below 1")
	network.StringVar(&s.Init, "init", s.Init, "`distribution` of the first weights: he_normal, glorot_uniform, normal, normal:DEVIATION")
	network.StringVar(&s.Pretrained, "pretrained", s.Pretrained, "`file` of weights for the layers of the same names: Keras's .h5, .keras and .weights.h5,\nsafetensors, a run or its checkpoint; or imagenet, VGG-19's or for the others VGG-16's, downloaded (575 or 553 MB)")
	network.BoolVar(&s.SkipMismatch, "skip-mismatch", s.SkipMismatch, "leave out of --pretrained what is of another shape, and say so")

	data := cli.NewGroup("Data")
	data.StringVar(&s.Data, "data", s.Data, "`path` of CIFAR-10, a folder or .tar.gz, binary or Python; or of a folder of\npictures; or shapes, drawn in memory (default the official archive, downloaded)")
	data.IntVar(&s.Limit, "limit", s.Limit, "train on the first `N` images (default all)")
	data.IntVar(&s.ValLimit, "val-limit", s.ValLimit, "validate with the first `N` images (default all)")
	data.TextVar(&s.Augment, "augment", s.Augment, "`kind` of flips and shifts: none, whole-pixel or sub-pixel")
	data.TextVar(&s.Std, "std", s.Std, "`numbers` R,G,B, or one, by which pixels are divided once their mean is taken away")

	training := cli.NewGroup("Training")
	training.IntVar(&s.Epochs, "epochs", s.Epochs, "`number` of passes over the data, those before a resume included")
	training.IntVar(&s.Batch, "batch", s.Batch, "`number` of images a step")
	training.StringVar(&s.LR, "lr", s.LR, "learning `rate`: a number; or steps, 0.01 for 81 epochs, then 0.005 up to the 141st, then 0.001,\nas in the default; or cosine:0.05, which falls from there to 0")
	training.IntVar(&s.Warmup, "warmup", s.Warmup, "`number` of epochs in which the learning rate grows to its value")
	training.Float32Var(&s.Momentum, "momentum", s.Momentum, "Nesterov `momentum`, from 0 to below 1")
	training.Float32Var(&s.WeightDecay, "weight-decay", s.WeightDecay, "`lambda` of the L2 penalty λ·Σw² on kernels")
	training.Uint64Var(&s.Seed, "seed", s.Seed, "`number` that selects first weights, order, augmentation and dropout")

	results := cli.NewGroup("Results")
	results.StringVar(&s.TensorBoard, "tensorboard", s.TensorBoard, "`folder` for the curves as TensorBoard reads them, while the run goes on (default none)")
	results.StringVar(&s.Save, "save", s.Save, "`file` for the model at the end: .h5 for Keras 2 and 3, .keras for Keras 3, or .safetensors")
	results.BoolVar(&s.SaveBest, "save-best", s.SaveBest, "--save after each epoch with the best validation accuracy so far instead of at the end")
	return []cli.Group{network, data, training, results, s.Options.Flags()}
}

// MayChange lists the settings that a resumed run may have otherwise than before: where its
// data lie, how long it goes on, where its curves and its model go, and who computes it.
func MayChange() []string {
	return []string{"data", "epochs", "tensorboard", "save", "save-best", "backend", "threads"}
}

// Absolute makes paths ones that hold from every folder.
func (s *Settings) Absolute() (err error) {
	for _, path := range []*string{&s.Data, &s.Pretrained, &s.TensorBoard, &s.Save} {
		if named := *path == "" || *path == cifar.BuiltIn && path == &s.Data || *path == ImageNet && path == &s.Pretrained; !named && err == nil {
			*path, err = filepath.Abs(*path)
		}
	}
	return err
}
