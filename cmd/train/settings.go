package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// settings are what a run is made from. Their names are those of the flags; config.json has
// them, and a resumed run takes them from there.
type settings struct {
	Model     string  `json:"model"`
	BatchNorm bool    `json:"bn"`
	Dropout   float32 `json:"dropout"`
	Init      string  `json:"init"`

	Data     string             `json:"data"` // an absolute path, cifar.BuiltIn, or "" for the official archive
	Limit    int                `json:"limit"`
	ValLimit int                `json:"val-limit"`
	Augment  cifar.Augmentation `json:"augment"`
	Std      deviations         `json:"std"`

	Epochs      int     `json:"epochs"`
	Batch       int     `json:"batch"`
	LR          string  `json:"lr"`
	Warmup      int     `json:"warmup"`
	Momentum    float32 `json:"momentum"`
	WeightDecay float32 `json:"weight-decay"`
	Seed        uint64  `json:"seed"`

	Backend   string `json:"backend"`
	Threads   int    `json:"threads"`
	Precision string `json:"precision"`
	ConvAlgo  string `json:"conv-algo"`
}

// maxThreads is far from where the system, or Go, gives no more.
const maxThreads = 1024

// defaults are the settings of the Keras program that this one follows, which trains VGG-19.
func defaults() settings {
	return settings{
		Model: "vgg19", BatchNorm: true, Dropout: 0.5, Init: "he_normal",
		Augment: cifar.SubPixel, Std: deviations{1, 1, 1},
		Epochs: 200, Batch: 128, LR: "0.01:81,0.005:141,0.001", Momentum: 0.9, WeightDecay: 0.0001, Seed: 1,
		Backend: "auto", Precision: "fp32", ConvAlgo: "auto",
	}
}

// check reports the first setting that cannot be.
func (s *settings) check() error {
	_, badRate := nn.ParseSchedule(s.LR)
	_, badInit := nn.ParseInit(s.Init)
	err := cmp.Or(
		oneOf("model", s.Model, nn.VGGNames()...),
		fraction("dropout", s.Dropout),
		flagError("init", badInit),
		atLeast("limit", s.Limit, 0),
		atLeast("val-limit", s.ValLimit, 0),
		atLeast("epochs", s.Epochs, 0),
		atLeast("batch", s.Batch, 1),
		flagError("lr", badRate),
		atLeast("warmup", s.Warmup, 0),
		fraction("momentum", s.Momentum),
		fraction("weight-decay", s.WeightDecay),
		oneOf("backend", s.Backend, "auto", "cpu", "cudnn"),
		atLeast("threads", s.Threads, 0),
		atMost("threads", s.Threads, maxThreads),
		oneOf("precision", s.Precision, "fp32", "bf16"),
		oneOf("conv-algo", s.ConvAlgo, cpu.ConvAlgorithms()...),
	)
	if err == nil && s.Precision == "bf16" && (s.ConvAlgo == "f4" || s.ConvAlgo == "f2") {
		err = fmt.Errorf("--conv-algo %s: it is too inexact in bf16; want auto or im2col", s.ConvAlgo)
	}
	return err
}

func oneOf(flag, value string, names ...string) error {
	if slices.Contains(names, value) {
		return nil
	}
	return fmt.Errorf("--%s %q: want one of %s", flag, value, strings.Join(names, ", "))
}

func fraction(flag string, value float32) error {
	if value >= 0 && value < 1 {
		return nil
	}
	return fmt.Errorf("--%s %v: must be at least 0 and below 1", flag, value)
}

func atLeast(flag string, value, least int) error {
	if value >= least {
		return nil
	}
	return fmt.Errorf("--%s %d: must be at least %d", flag, value, least)
}

func atMost(flag string, value, most int) error {
	if value <= most {
		return nil
	}
	return fmt.Errorf("--%s %d: must be at most %d", flag, value, most)
}

func flagError(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("--%s: %w", flag, err)
}

// network returns the network for classes of these names.
func (s *settings) network(labels []string) (*nn.Network, error) {
	sequential, err := nn.VGG(s.Model, nn.VGGOptions{
		Input: tensor.Shape{cifar.Size, cifar.Size, cifar.Channels}, Classes: len(labels),
		BatchNorm: s.BatchNorm, Dropout: s.Dropout, L2: s.WeightDecay})
	if err != nil {
		return nil, err
	}
	n := s.normalization()
	sequential.Labels, sequential.Mean, sequential.Std = labels, n.Mean[:], n.Std[:]
	return nn.Build(sequential)
}

// normalization returns how pixels are prepared.
func (s *settings) normalization() cifar.Normalization {
	n := cifar.MeanOnly()
	n.Std = s.Std
	return n
}

// training returns the trainer's part of the settings, which have been checked.
func (s *settings) training(d *cifar.Dataset) (nn.Config, error) {
	schedule, err := nn.ParseSchedule(s.LR)
	if err != nil {
		return nn.Config{}, err
	}
	init, err := nn.ParseInit(s.Init)
	if err != nil {
		return nn.Config{}, err
	}
	return nn.Config{
		Data:       d.Training(s.normalization(), s.Augment, s.Seed),
		Validation: d.Validation(s.normalization()),
		Epochs:     s.Epochs, Batch: s.Batch, Schedule: schedule.WarmUp(s.Warmup),
		Momentum: s.Momentum, Init: init, Seed: s.Seed,
	}, nil
}

// deviations divide the pixels of each channel.
type deviations [cifar.Channels]float32

// MarshalText writes one number for each channel.
func (d deviations) MarshalText() ([]byte, error) {
	words := make([]string, len(d))
	for i, v := range d {
		words[i] = strconv.FormatFloat(float64(v), 'g', -1, 32)
	}
	return []byte(strings.Join(words, ",")), nil
}

// UnmarshalText reads one number for each channel, or one for all.
func (d *deviations) UnmarshalText(text []byte) error {
	words := strings.Split(string(text), ",")
	if len(words) == 1 {
		words = slices.Repeat(words, len(d))
	}
	if len(words) != len(d) {
		return fmt.Errorf("want one number, or %d with commas", len(d))
	}
	for i, word := range words {
		v, err := strconv.ParseFloat(word, 32)
		if err != nil || !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("%q must be a number above 0", word)
		}
		d[i] = float32(v)
	}
	return nil
}
