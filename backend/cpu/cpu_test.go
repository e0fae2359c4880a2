package cpu

import (
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/ops"
)

// eachLevel runs a test of backendtest at every level, each with another number of threads.
func eachLevel(t *testing.T, test func(t *testing.T, open func(t *testing.T) backend.Backend)) {
	for i, level := range ops.Levels() {
		t.Run(level.String(), func(t *testing.T) {
			test(t, func(t *testing.T) backend.Backend {
				return open(t, Options{Threads: i%3 + 1, Level: level, Conv: "im2col"})
			})
		})
	}
}

func TestConformance(t *testing.T) {
	eachLevel(t, func(t *testing.T, open func(t *testing.T) backend.Backend) {
		backendtest.Run(t, open, backendtest.Options{})
	})
}

// TestConvAlgorithms runs the part of the suite that has convolutions by Winograd's algorithms, at
// each level that would choose them. F4's error is about twice that of the direct way; 4 is what
// its transforms can come to.
func TestConvAlgorithms(t *testing.T) {
	for _, level := range ops.Levels() {
		for _, conv := range []string{"f4", "f2"} {
			if level == ops.Generic {
				continue // package ops tests its transforms
			}
			t.Run(level.String()+"/"+conv, func(t *testing.T) {
				backendtest.RunConvolutions(t, func(t *testing.T) backend.Backend {
					return open(t, Options{Threads: 2, Level: level, Conv: conv})
				}, backendtest.Options{Mixed: true, Products: 4})
			})
		}
	}
}

func TestGolden(t *testing.T) {
	eachLevel(t, backendtest.Golden)
	for _, conv := range []string{"f4", "f2"} {
		t.Run(conv, func(t *testing.T) {
			backendtest.Golden(t, func(t *testing.T) backend.Backend { return open(t, Options{Conv: conv}) })
		})
	}
}
