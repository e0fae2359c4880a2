package cpu

import (
	"fmt"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/ops"
)

func TestConformance(t *testing.T) {
	for i, level := range ops.Levels() {
		threads := i%3 + 1
		t.Run(fmt.Sprintf("%v/%d", level, threads), func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) backend.Backend {
				return open(t, Options{Threads: threads, Level: level})
			}, backendtest.Options{})
		})
	}
}
