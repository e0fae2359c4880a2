package run

import (
	"slices"
	"testing"

	"github.com/lamina-go/lamina/cifar"
)

func TestNetworkKnowsItsImages(t *testing.T) {
	s := Defaults()
	s.Std = deviations{2, 3, 4}
	labels := []string{"ship", "truck"}
	network, err := s.Network(labels)
	if err != nil {
		t.Fatal(err)
	}
	mean := cifar.MeanOnly().Mean
	if !slices.Equal(network.Labels, labels) || !slices.Equal(network.Mean, mean[:]) || !slices.Equal(network.Std, []float32{2,
		3, 4}) {
		t.Errorf("labels %q, mean %v, deviation %v", network.Labels, network.Mean, network.Std)
	}
}
