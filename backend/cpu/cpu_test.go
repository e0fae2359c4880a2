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
				return open(t, Options{Threads: i%3 + 1, Level: level})
			})
		})
	}
}

func TestConformance(t *testing.T) {
	eachLevel(t, func(t *testing.T, open func(t *testing.T) backend.Backend) {
		backendtest.Run(t, open, backendtest.Options{})
	})
}

func TestGolden(t *testing.T) {
	eachLevel(t, backendtest.Golden)
}
