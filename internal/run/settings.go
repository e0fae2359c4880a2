package run

import (
	"cmp"
	"fmt"
	"image"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// Settings decide what a run computes. They have the names of the flags. A resumed run takes them
// from config.json.
type Settings struct {
	Recipe string `json:"recipe,omitempty"` // by which the others were chosen, "" for none
	// Fit names the flags, with commas between them, that the number of images will set.
	Fit string `json:"fit,omitempty"`

	Model     string  `json:"model"`
	BatchNorm bool    `json:"bn"`
	Dropout   float32 `json:"dropout"`
	Head      string  `json:"head"` // headFlatten, headGAP, or "" for that of the size
	Init      string  `json:"init"`

	Pretrained   string `json:"pretrained"` // an absolute path, imageNet, or "" for none
	SkipMismatch bool   `json:"skip-mismatch"`
	Freeze       string `json:"freeze,omitempty"`      // the last layer that does not train, "" for none
	UnfreezeAt   int    `json:"unfreeze-at,omitempty"` // the epoch from which it does, 0 for none

	Data     string             `json:"data"` // an absolute path, cifar.BuiltIn, or "" for the official archive
	Limit    int                `json:"limit"`
	ValLimit int                `json:"val-limit"`
	Val      share              `json:"val"`
	SkipBad  bool               `json:"skip-bad"`
	Size     size               `json:"size"`
	Resize   resize             `json:"resize"`
	Augment  cifar.Augmentation `json:"augment"`
	Mean     means              `json:"mean"`
	Std      deviations         `json:"std"`

	Epochs      int     `json:"epochs"`
	Batch       int     `json:"batch"`
	Optimizer   string  `json:"optimizer"`
	LR          string  `json:"lr"`
	BiasLR      string  `json:"bias-lr"` // of Muon, "" for LR
	HeadLR      string  `json:"head-lr"` // the same
	Warmup      int     `json:"warmup"`
	Momentum    float32 `json:"momentum"`
	WeightDecay float32 `json:"weight-decay"`
	Seed        uint64  `json:"seed"`
	Patience    int     `json:"patience,omitempty"` // epochs, 0 for no end
	Balance     bool    `json:"balance,omitempty"`

	LabelSmoothing float32 `json:"label-smoothing"`
	TTA            bool    `json:"tta"`

	TensorBoard string `json:"tensorboard"` // an absolute path, in config.json relative if in the run's folder, or "" for none
	Save        string `json:"save"`        // the same
	SaveBest    bool   `json:"save-best"`

	device.Options
}

// Defaults are the settings of the Keras program that this one follows, which trains VGG-19.
func Defaults() Settings {
	return Settings{
		Model: "vgg19", BatchNorm: true, Dropout: 0.5, Init: "he_normal",
		Augment: cifar.SubPixel, Mean: cifar.MeanOnly().Mean, Std: deviations{1, 1, 1},
		Epochs: 200, Batch: 128, Optimizer: sgd, LR: "0.01:81,0.005:141,0.001", Momentum: 0.9, WeightDecay: 0.0001, Seed: 1,
		Options: device.Defaults(),
	}
}

// maxEpochs keeps the number of steps, and the time left, far from overflow.
const maxEpochs = 1_000_000

// Check reports the first invalid setting.
func (s *Settings) Check() error {
	_, badRate := nn.ParseSchedule(s.LR)
	_, badInit := nn.ParseInit(s.Init)
	return cmp.Or(
		cli.OneOf("model", s.Model, nn.Names()...),
		cli.Fraction("dropout", s.Dropout),
		cli.Of("init", badInit),
		s.checkHead(),
		s.checkSize(),
		cli.AtLeast("limit", s.Limit, 0),
		cli.AtLeast("val-limit", s.ValLimit, 0),
		cli.AtLeast("epochs", s.Epochs, 0),
		cli.AtMost("epochs", s.Epochs, maxEpochs),
		cli.AtLeast("batch", s.Batch, 1),
		cli.Of("lr", badRate),
		s.checkOptimizer(),
		cli.Fraction("label-smoothing", s.LabelSmoothing),
		cli.AtLeast("warmup", s.Warmup, 0),
		cli.AtMost("warmup", s.Warmup, maxEpochs),
		cli.Fraction("momentum", s.Momentum),
		cli.Fraction("weight-decay", s.WeightDecay),
		requires("skip-mismatch", s.SkipMismatch, "pretrained", s.Pretrained),
		s.checkImageNet(),
		cli.AtLeast("unfreeze-at", s.UnfreezeAt, 0),
		s.checkFreeze(),
		s.checkUnfreeze(),
		cli.AtLeast("patience", s.Patience, 0),
		requires("save-best", s.SaveBest, "save", s.Save),
		s.checkSave(),
		s.Options.Check(),
	)
}

// requires reports an error if a switch is on without the flag that it modifies.
func requires(flag string, on bool, other, value string) error {
	if !on || value != "" {
		return nil
	}
	return fmt.Errorf("--%s requires --%s", flag, other)
}

func (s *Settings) checkImageNet() error {
	if s.Pretrained != imageNet || !slices.Contains(nn.ResNetNames(), s.Model) {
		return nil
	}
	return fmt.Errorf("--pretrained imagenet has the weights of VGG networks, not those of %s: name a file", s.Model)
}

func (s *Settings) checkSave() error {
	if s.Save == "" {
		return nil
	}
	return cli.Of("save", keras.CheckPath(s.Save))
}

// Network returns the network for classes of these names, with its frozen layers.
func (s *Settings) Network(labels []string) (*nn.Network, error) {
	sequential, err := s.sequential(labels)
	if err == nil && s.Freeze != "" {
		err = s.freeze(&sequential)
	}
	if err != nil {
		return nil, err
	}
	return nn.Build(sequential)
}

// sequential returns the network without frozen layers.
func (s *Settings) sequential(labels []string) (nn.Sequential, error) {
	penalty := s.WeightDecay
	if s.Optimizer != sgd { // which have a decay of their own
		penalty = 0
	}
	sequential, err := nn.Named(s.Model, nn.VGGOptions{
		Input: tensor.Shape{s.Size.height(), s.Size.width(), cifar.Channels}, Classes: len(labels),
		BatchNorm: s.BatchNorm, Dropout: s.Dropout, L2: penalty, GlobalPool: s.globalPool()})
	if err != nil {
		return nn.Sequential{}, err
	}
	n := s.normalization()
	sequential.Labels, sequential.Mean, sequential.Std = labels, n.Mean[:], n.Std[:]
	sequential.Resize = nn.Resize(s.Resize)
	return sequential, nil
}

// normalization returns the preparation of pixels.
func (s *Settings) normalization() cifar.Normalization {
	return cifar.Normalization{Mean: s.Mean, Std: s.Std}
}

// training returns the loader of the training images.
func (s *Settings) training(d *cifar.Dataset) *cifar.Loader {
	l := d.Training(s.normalization(), s.Augment, s.Seed)
	l.Workers = s.Threads
	return l
}

// Sheet draws training images as the network sees them.
func (s *Settings) Sheet(d *cifar.Dataset) (image.Image, error) { return s.training(d).Sheet() }

// Training returns the configuration of a trainer. The settings must have been checked.
func (s *Settings) Training(d *cifar.Dataset) (nn.Config, error) {
	schedule, err := nn.ParseSchedule(s.LR)
	if err != nil {
		return nn.Config{}, err
	}
	init, err := nn.ParseInit(s.Init)
	if err != nil {
		return nn.Config{}, err
	}
	c := nn.Config{
		Data:       s.training(d),
		Validation: d.Validation(s.normalization()),
		Epochs:     s.Epochs, Batch: s.Batch, Schedule: s.schedule(nn.WarmUp(schedule, s.Warmup)),
		Init: init, Seed: s.Seed, LabelSmoothing: s.LabelSmoothing, Settings: s.fixed(),
	}
	if s.whitens() {
		c.Whiten = nn.WhitenName
	}
	if s.Balance {
		c.ClassWeights = balance(d.Train.Labels, len(d.Classes))
	}
	switch s.Optimizer {
	case muon:
		c.Optimizer, err = s.muon()
	case adamW:
		c.Optimizer = nn.AdamW{WeightDecay: s.WeightDecay}
	default:
		c.Momentum = s.Momentum
	}
	return c, err
}

// balance returns the weights by which each class counts the same: the mean number of images in a
// class divided by that of this one.
func balance(labels []int32, classes int) []float32 {
	numbers := make([]int, classes)
	for _, label := range labels {
		numbers[label]++
	}
	weights := make([]float32, classes)
	for class, n := range numbers {
		weights[class] = float32(float64(len(labels)) / float64(classes*max(n, 1)))
	}
	return weights
}

// fixed returns the values of the flags that a resumed run may not change.
func (s *Settings) fixed() map[string]string {
	all := map[string]string{}
	cli.Union(s.Flags()).VisitAll(func(f *pflag.Flag) {
		if !slices.Contains(MayChange(), f.Name) {
			all["--"+f.Name] = f.Value.String()
		}
	})
	return all
}

// means are what is subtracted from the channels.
type means [cifar.Channels]float32

// MarshalText writes a number for each channel.
func (m means) MarshalText() ([]byte, error) { return deviations(m).MarshalText() }

// UnmarshalText reads a number for each channel, or one for all.
func (m *means) UnmarshalText(text []byte) error {
	values, err := cli.PerChannel(string(text), len(m))
	copy(m[:], values)
	return err
}

// deviations are the divisors of the channels.
type deviations [cifar.Channels]float32

// MarshalText writes a number for each channel.
func (d deviations) MarshalText() ([]byte, error) {
	words := make([]string, len(d))
	for i, v := range d {
		words[i] = strconv.FormatFloat(float64(v), 'g', -1, 32)
	}
	return []byte(strings.Join(words, ",")), nil
}

// UnmarshalText reads a number for each channel, or one for all.
func (d *deviations) UnmarshalText(text []byte) error {
	values, err := cli.PerChannel(string(text), len(d))
	if err != nil {
		return err
	}
	for i, v := range values {
		if !(v > 0) {
			return fmt.Errorf("%v must be above 0", v)
		}
		d[i] = v
	}
	return nil
}
