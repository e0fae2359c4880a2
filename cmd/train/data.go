package main

import (
	"context"
	"os"

	"github.com/lamina-go/lamina/cifar"
)

// data returns the images that the settings name. Progress is told of a download.
func (s *settings) data(ctx context.Context, progress func(done, total int64)) (*cifar.Dataset, error) {
	d, err := cifar.Open(ctx, s.Data, progress)
	if err != nil {
		return nil, err
	}
	if s.Limit > 0 {
		d.Train = d.Train.First(s.Limit)
	}
	if s.ValLimit > 0 {
		d.Test = d.Test.First(s.ValLimit)
	}
	return d, nil
}

// printSummary prints the table of layers. What classes there are only a folder has to tell.
func printSummary(ctx context.Context, s *settings) error {
	labels := cifar.Classes()
	if s.Data != "" && s.Data != cifar.BuiltIn {
		d, err := cifar.Open(ctx, s.Data, nil)
		if err != nil {
			return err
		}
		labels = d.Classes
	}
	network, err := s.network(labels)
	if err != nil {
		return err
	}
	return network.Summary(os.Stdout)
}
