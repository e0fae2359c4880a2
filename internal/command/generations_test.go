package command_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/nn"
)

// The model of a run whose last checkpoint is damaged or missing is that of the checkpoint before.
func TestPredictFromThePreviousCheckpoint(t *testing.T) {
	good, err := os.ReadFile(classifytest.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	last := filepath.Join(dir, filepath.Base(classifytest.Checkpoint(t)))
	image := clitest.Put(t, classifytest.PNG(t, 0), t.TempDir(), "a.png")
	predict := func(code int, lines ...[]string) string {
		t.Helper()
		return clitest.Expect(t, clitest.Command(t, "predict", dir, image), code, lines...)
	}
	clitest.Put(t, good, last)
	want := predict(0)
	note := []string{last, "damaged or missing", "the checkpoint before"}

	previous := clitest.Put(t, good, nn.PreviousCheckpoint(last))
	clitest.Put(t, good[:1000], last)
	if got := predict(0, note); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	os.Remove(last)
	if got := predict(0, note); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	clitest.Put(t, good[:1000], last)
	os.Remove(previous)
	predict(1, []string{last, "damaged"})
	os.Remove(last)
	predict(1, []string{dir, "not the folder of a run"})
}
