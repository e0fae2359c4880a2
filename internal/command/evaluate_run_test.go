package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/run"
)

// Without --data a run is measured on the dataset that its config.json names.
func TestEvaluateRun(t *testing.T) {
	checkpoint, err := os.ReadFile(classifytest.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	clitest.Put(t, checkpoint, dir, run.CheckpointName)
	evaluate := func(code int, data string, lines ...[]string) string {
		t.Helper()
		config := run.Config{Settings: run.Defaults()}
		config.Settings.Data = data
		text, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		clitest.Put(t, text, dir, run.ConfigName)
		return clitest.Expect(t, clitest.Command(t, "evaluate", dir, "--limit", "30", "--confusion", ""), code, lines...)
	}
	if text := evaluate(0, "shapes"); !strings.Contains(text, "images    30") || !strings.Contains(text, "checkerboard") {
		t.Errorf("not the run's dataset:\n%s", text)
	}
	evaluate(1, "", []string{"without --data", "CIFAR-10"})
	gone := filepath.Join(dir, "gone")
	evaluate(1, gone, []string{gone, "the dataset of the run", "--data"})
	clitest.Put(t, []byte("{"), dir, run.ConfigName)
	command := []string{"evaluate", dir, "--limit", "30", "--confusion", ""}
	clitest.Expect(t, clitest.Command(t, command...), 1, []string{run.ConfigName, "--data"})
	clitest.Expect(t, clitest.Command(t, append(command, "--data", "shapes")...), 0)
}
