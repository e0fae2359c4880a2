package classify

import (
	"cmp"
	"context"
	"slices"

	"github.com/lamina-go/lamina/cifar"
)

// Preparation is a usual way to prepare pixels, with how well a model does on images prepared so.
type Preparation struct {
	Flags    string  `json:"flags"` // that select it
	Accuracy float64 `json:"accuracy"`
	Images   int     `json:"images"`
	Assumed  bool    `json:"assumed,omitempty"` // for files that do not record theirs

	normalization cifar.Normalization
}

// usualPreparations returns the preparations of public programs, the assumed one first.
func usualPreparations() []Preparation {
	return []Preparation{
		{Flags: "--mean 123.68,116.779,103.939", normalization: cifar.MeanOnly(), Assumed: true},
		{Flags: "--mean 0 --std 255", normalization: perChannel(0, 255)},
		{Flags: "--mean 127.5 --std 127.5", normalization: perChannel(127.5, 127.5)},
		{Flags: "--mean 0 --std 1", normalization: perChannel(0, 1)},
		{Flags: "--mean 125.307,122.961,113.8575 --std 62.985,62.0925,66.708", // of CIFAR-10
			normalization: cifar.Normalization{
				Mean: [Channels]float32{125.307, 122.961, 113.8575}, Std: [Channels]float32{62.985, 62.0925, 66.708}}},
		{Flags: "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375", // of ImageNet
			normalization: cifar.Normalization{
				Mean: [Channels]float32{123.675, 116.28, 103.53}, Std: [Channels]float32{58.395, 57.12, 57.375}}},
	}
}

func perChannel(mean, std float32) cifar.Normalization {
	return cifar.Normalization{Mean: [Channels]float32{mean, mean, mean}, Std: [Channels]float32{std, std, std}}
}

// ComparePreparations measures the model with each of the usual preparations on the first limit test
// images of a dataset, the best first.
func (m *Model) ComparePreparations(ctx context.Context, d *cifar.Dataset, limit int) ([]Preparation, error) {
	part := *d
	part.Test = d.Test.First(limit)
	all := usualPreparations()
	for i := range all {
		result, err := m.predictor.EvaluateEach(ctx, part.Validation(all[i].normalization), func(_, _ []float32) {})
		if err != nil {
			return nil, err
		}
		all[i].Accuracy, all[i].Images = result.Accuracy, part.Test.Len()
	}
	slices.SortStableFunc(all, func(a, b Preparation) int { return cmp.Compare(b.Accuracy, a.Accuracy) })
	return all, nil
}
