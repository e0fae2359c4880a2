package command

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
)

// TestExport exports a run in every format. Package onnx tests what an ONNX model computes.
func TestExport(t *testing.T) {
	run := classifytest.Run(t)
	for _, name := range []string{"model.keras", "model.h5", "model.safetensors"} {
		c := clitest.Command(t, "export", run, name)
		if text := clitest.Expect(t, c, 0); text != "" {
			t.Errorf("%s: printed %q", name, text)
		}
		m, err := classify.Open(filepath.Join(c.Dir, name), classify.Options{Backend: classifytest.OpenCPU(t)})
		if err != nil {
			t.Fatal(err)
		}
		results, err := m.Classify(t.Context(), classifytest.Image(0))
		if err != nil {
			t.Fatal(err)
		}
		classifytest.Check(t, results[0].Classes, 10, classifytest.Probabilities(t, 0, 1)[0])
		m.Close()
	}
	labels := clitest.Put(t, []byte("k0\nk1\nk2\nk3\nk4\nk5\nk6\nk7\nk8\nk9\n"), t.TempDir(), "labels.txt")
	c := clitest.Command(t, "export", run, "model.onnx", "--labels", labels, "--mean", "1,2,3", "--layout", "nchw")
	clitest.Expect(t, c, 0)
	data, err := os.ReadFile(filepath.Join(c.Dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{`"k0","k1"`, "[1,2,3]", "nchw", "probabilities"} {
		if !bytes.Contains(data, []byte(words)) {
			t.Errorf("the model lacks %q", words)
		}
	}
}

func TestExportRejects(t *testing.T) {
	run := classifytest.Run(t)
	dir := t.TempDir()
	labels := clitest.Put(t, []byte("one\n"), dir, "labels.txt")
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{}, 2, []string{"no model"}},
		{[]string{run}, 2, []string{".onnx, .keras, .h5 or .safetensors"}},
		{[]string{run, "model.pb"}, 2, []string{"model.pb", ".onnx, .keras, .h5 or .safetensors"}},
		{[]string{run, "model.h5", "--layout", "nchw"}, 2, []string{"--layout requires"}},
		{[]string{run, "model.onnx", "--layout", "hwcn"}, 2, []string{"--layout", "nhwc"}},
		{[]string{run, "a.onnx", "b.onnx"}, 2, []string{"b.onnx"}},
		{[]string{run, filepath.Join(dir, "gone", "a.onnx")}, 1, []string{"gone", "writable folder"}},
		{[]string{filepath.Join(dir, "gone"), "a.onnx"}, 1, []string{"gone does not exist"}},
		{[]string{run, "a.onnx", "--labels", labels}, 1, []string{"--labels", "1 labels for the 10 classes"}},
	} {
		cmd := clitest.Command(t, slices.Concat([]string{"export"}, c.args)...)
		clitest.Expect(t, cmd, c.code, c.want)
		if left, err := filepath.Glob(filepath.Join(cmd.Dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("%v: it left %v, %v", c.args, left, err)
		}
	}
}
