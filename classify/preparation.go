package classify

import (
	"cmp"
	"context"
	"slices"

	"github.com/lamina-go/lamina/cifar"
)

// Preparation is a usual way to prepare pixels, with how well a model does on images prepared so.
type Preparation struct {
	Flags     string    `json:"flags"` // of the commands, that select it
	Mean, Std []float32 `json:"-"`     // in Options
	Accuracy  float64   `json:"accuracy"`
	Images    int       `json:"images"`
	Assumed   bool      `json:"assumed,omitempty"` // for files that do not record theirs
}

// usualPreparations returns the preparations of public programs, the assumed one first.
func usualPreparations() []Preparation {
	assumed := cifar.MeanOnly().Mean
	return []Preparation{
		{Mean: assumed[:], Std: all(1), Flags: "--mean 123.68,116.779,103.939", Assumed: true},
		{Mean: all(0), Std: all(255), Flags: "--mean 0 --std 255"},
		{Mean: all(127.5), Std: all(127.5), Flags: "--mean 127.5 --std 127.5"},
		{Mean: all(0), Std: all(1), Flags: "--mean 0 --std 1"},
		{Mean: []float32{125.307, 122.961, 113.8575}, Std: []float32{62.985, 62.0925, 66.708}, // of CIFAR-10
			Flags: "--mean 125.307,122.961,113.8575 --std 62.985,62.0925,66.708"},
		{Mean: []float32{123.675, 116.28, 103.53}, Std: []float32{58.395, 57.12, 57.375}, // of ImageNet
			Flags: "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375"},
	}
}

// all returns a value for each channel.
func all(value float32) []float32 { return []float32{value, value, value} }

// ComparePreparations measures the model with each of the usual preparations on the first limit
// test images of a dataset, the best first.
func (m *Model) ComparePreparations(ctx context.Context, d *cifar.Dataset, limit int) ([]Preparation, error) {
	part := *d
	part.Test = d.Test.First(limit)
	usual := usualPreparations()
	for i := range usual {
		p := &usual[i]
		result, err := m.predictor.Evaluate(ctx, part.Validation(normalization(p.Mean, p.Std)))
		if err != nil {
			return nil, err
		}
		p.Accuracy, p.Images = result.Accuracy, part.Test.Len()
	}
	slices.SortStableFunc(usual, func(a, b Preparation) int { return cmp.Compare(b.Accuracy, a.Accuracy) })
	return usual, nil
}
