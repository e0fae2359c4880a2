package nn

import (
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/ops"
)

// onBackends runs a test on the reference and on the CPU at every level.
func onBackends(t *testing.T, test func(t *testing.T, b backend.Backend)) {
	t.Run("reference", func(t *testing.T) { test(t, backendtest.Reference()) })
	for _, level := range ops.FloatLevels() {
		t.Run(level.String(), func(t *testing.T) { test(t, openCPU(t, level)) })
	}
}

// openCPU opens the CPU at a level until the test ends.
func openCPU(t testing.TB, level ops.Level) backend.Backend {
	b, err := cpu.Open(cpu.Options{Level: level})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
