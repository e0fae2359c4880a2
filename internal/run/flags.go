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
	network.StringVar(&s.Model, "model", s.Model,
		"`NAME` "+strings.Join(nn.VGGNames(), ", ")+" (columns A to E of the paper), "+
			strings.Join(nn.ResNetNames(), ", ")+"; or "+nn.FastName+", a small network with a fixed first layer (arXiv 2404.00498)")
	network.BoolVar(&s.BatchNorm, "bn", s.BatchNorm,
		"batch normalization after each layer with weights; --bn=false omits it from a VGG")
	network.Float32Var(&s.Dropout, "dropout", s.Dropout,
		"`RATE` dropout after the two hidden dense layers of a VGG, or before its only one, from 0 to below 1")
	network.StringVar(&s.Head, "head", s.Head,
		"`KIND` end of a VGG: flatten, three dense layers; or gap, the mean of each channel and one dense layer "+
			"(default flatten for 32x32, else gap)")
	network.StringVar(&s.Init, "init", s.Init,
		"`NAME` initial weights: he_normal, glorot_uniform, dirac, normal or normal:DEVIATION")
	network.StringVar(&s.Pretrained, "pretrained", s.Pretrained,
		"`FILE` pretrained weights for the layers of the same names: .h5, .keras, .weights.h5, "+
			".safetensors, a run or its checkpoint; or imagenet, for VGG-19's or VGG-16's, from ~/.keras/models or downloaded "+
			"(80 or 59 MB; 575 or 553 with --head flatten)")
	network.BoolVar(&s.SkipMismatch, "skip-mismatch", s.SkipMismatch,
		"ignore weights of --pretrained that have another shape, with a warning")
	network.StringVar(&s.Freeze, "freeze", s.Freeze,
		"`LAYER` do not train the layers up to this one, or up to the last whose name begins so, as block4")
	network.IntVar(&s.UnfreezeAt, "unfreeze-at", s.UnfreezeAt,
		"`EPOCH` train the frozen layers too after this epoch, all at a tenth of the learning rate; --lr begins again there")

	data := cli.NewGroup("Data")
	data.StringVar(&s.Data, "data", s.Data,
		"`PATH` CIFAR-10 or CIFAR-100, binary or Python, as a folder or .tar.gz; a folder of image files "+
			"with a folder for each class, or with such folders in train and in validation or test; a .csv with lines FILE,LABEL; or shapes, images generated in memory (default the official archive, downloaded)")
	data.TextVar(&s.Val, "val", s.Val,
		"`SHARE` of the images of each class for validation, chosen by --seed; for a folder that has none set aside, or a .csv (default 0.2)")
	data.TextVar(&s.Size, "size", s.Size, "`N` height and width to which image files are resized, from 8 to 512, or HEIGHTxWIDTH")
	data.TextVar(&s.Resize, "resize", s.Resize,
		"`KIND` squash, ignoring proportions; crop, to the middle of the longer side; or pad, with black")
	data.BoolVar(&s.SkipBad, "skip-bad", s.SkipBad, "leave out image files of a folder that cannot be read")
	data.IntVar(&s.Limit, "limit", s.Limit, "`N` train on the first N images only")
	data.IntVar(&s.ValLimit, "val-limit", s.ValLimit, "`N` validate with the first N images only")
	data.TextVar(&s.Augment, "augment", s.Augment, "`LIST` flips and shifts: none, whole-pixel, sub-pixel, or "+
		"alternating-flip and translate (by 2 pixels), separated by a comma; or words such as "+
		"flip,shift:0.1,rotate:15 (lamina augment --help lists them)")
	data.TextVar(&s.Mean, "mean", s.Mean, "`R,G,B` what is subtracted from the pixels, from 0 to 255")
	data.TextVar(&s.Std, "std", s.Std, "`R,G,B` divisors of the pixels after the mean is subtracted, or one for all")

	training := cli.NewGroup("Training")
	training.IntVar(&s.Epochs, "epochs", s.Epochs, "`N` passes over the data, including those before a resume")
	training.IntVar(&s.Batch, "batch", s.Batch, "`N` images per step")
	training.StringVar(&s.Optimizer, "optimizer", s.Optimizer,
		"`NAME` sgd; adamw, for fine-tuning and small sets; or muon, which makes the updates of convolutions orthogonal (kellerjordan.github.io/posts/muon)")
	training.StringVar(&s.LR, "lr", s.LR,
		"`RATE` learning rate: a number; or steps, as in the default: 0.01 for 81 epochs, 0.005 up to epoch 141, "+
			"then 0.001; or cosine:0.05 or linear:0.05, which fall from there to 0")
	training.StringVar(&s.BiasLR, "bias-lr", s.BiasLR,
		"`RATE` learning rate of muon, as --lr, for biases and batch normalization (default that of --lr)")
	training.StringVar(&s.HeadLR, "head-lr", s.HeadLR,
		"`RATE` learning rate of muon, as --lr, for kernels of dense layers (default that of --lr)")
	training.IntVar(&s.Warmup, "warmup", s.Warmup, "`N` epochs in which the learning rate rises to its value")
	training.Float32Var(&s.Momentum, "momentum", s.Momentum, "`M` Nesterov momentum, from 0 to below 1; convolutions have 0.6 with muon")
	training.Float32Var(&s.WeightDecay, "weight-decay", s.WeightDecay,
		"`LAMBDA` strength of the L2 penalty λ·Σw² on kernels; with adamw the share of the learning rate by which "+
			"weights shrink in each step; with muon the share by which other weights than "+
			"those of convolutions shrink in the first step, and less as rates fall")
	training.Float32Var(&s.LabelSmoothing, "label-smoothing", s.LabelSmoothing,
		"`S` share of the target probability that all classes divide equally, from 0 to below 1")
	training.IntVar(&s.Patience, "patience", s.Patience,
		"`N` stop when the validation accuracy has not improved for N epochs; the model is then that of the best epoch")
	training.BoolVar(&s.Balance, "balance", s.Balance,
		"weigh the loss of each image by the inverse of the size of its class")
	training.Uint64Var(&s.Seed, "seed", s.Seed, "`N` seed of the initial weights, order, augmentation and dropout")

	results := cli.NewGroup("Results")
	results.BoolVar(&s.TTA, "tta", s.TTA, "at the end, measure the accuracy with six views of each image (as lamina evaluate --tta)")
	results.StringVar(&s.TensorBoard, "tensorboard", s.TensorBoard,
		"`FOLDER` write the curves for TensorBoard during the run")
	results.StringVar(&s.Save, "save", s.Save,
		"`FILE` save the model at the end: .h5 for Keras 2 and 3, .keras for Keras 3, or .safetensors")
	results.BoolVar(&s.SaveBest, "save-best", s.SaveBest,
		"--save after each epoch with the best validation accuracy so far, not at the end")
	return []cli.Group{network, data, training, results, s.Options.Flags()}
}

// MayChange lists the flags that a resumed run may change: where its data, curves and model are,
// how long it trains, and what computes it.
func MayChange() []string {
	return []string{"data", "epochs", "tta", "tensorboard", "save", "save-best", "backend", "threads"}
}

// Absolute makes the paths absolute.
func (s *Settings) Absolute() (err error) {
	for _, path := range []*string{&s.Data, &s.Pretrained, &s.TensorBoard, &s.Save} {
		named := *path == "" || path == &s.Data && *path == cifar.BuiltIn || path == &s.Pretrained && *path == imageNet
		if !named && err == nil {
			*path, err = filepath.Abs(*path)
		}
	}
	return err
}
