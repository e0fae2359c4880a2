package nn

import (
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
)

// onBackends runs a test on the reference and on every level of the CPU.
func onBackends(t *testing.T, test func(t *testing.T, b backend.Backend)) {
	t.Run("reference", func(t *testing.T) { test(t, backendtest.Reference()) })
}
