package keras

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/nn"
)

// TestGoldenModelsKeras saves the models of the reference data and computes with them in Keras 2
// and 3. Keras must give the outputs of this program, and the same weights after a step of
// training.
func TestGoldenModelsKeras(t *testing.T) {
	for _, c := range []struct{ variable, ending string }{{"LAMINA_KERAS2", ".h5"}, {"LAMINA_KERAS2",
		".keras"}, {"LAMINA_KERAS2", ".weights.h5"},
		{"LAMINA_KERAS3", ".h5"}, {"LAMINA_KERAS3", ".keras"}, {"LAMINA_KERAS3", ".weights.h5"}} {
		t.Run(c.variable+c.ending, func(t *testing.T) {
			python := os.Getenv(c.variable)
			if python == "" {
				t.Skipf("%s names no Python with Keras", c.variable)
			}
			keras3 := c.variable == "LAMINA_KERAS3"
			dir := t.TempDir()
			cases := saveGoldenModels(t, dir, c.ending, keras3)
			command := exec.Command(python, "testdata/models.py", dir, c.ending)
			command.Stderr = os.Stderr
			failed, err := command.Output()
			if err != nil {
				t.Fatal(err)
			}
			if len(failed) > 0 {
				t.Errorf("rejected by Keras:\n%s", failed)
			}
			for name, want := range cases {
				t.Run(name, func(t *testing.T) {
					if bytes.Contains(failed, []byte(name+c.ending+" ")) {
						t.Skip("rejected")
					}
					golden.Within(t, "outputs", readFloats(t, filepath.Join(dir, name+".outputs")),
						want.outputs, 1e-5*golden.Largest(want.outputs))
					if c.ending == ".weights.h5" {
						return
					}
					weights := readFloats(t, filepath.Join(dir, name+".weights"))
					for i, w := range want.weights {
						if len(weights) < len(w) {
							t.Fatalf("%s: %d values", want.names[i], len(weights))
						}
						golden.Within(t, want.names[i], weights[:len(w)], w,
							max(1e-4, tolerancesOf(name).after)*max(1, golden.Largest(w)))
						weights = weights[len(w):]
					}
					if len(weights) > 0 {
						t.Errorf("%d more weights", len(weights))
					}
				})
			}
		})
	}
}

// computed is what this program makes of a case: outputs, and weights after a step.
type computed struct {
	outputs []float32
	names   []string
	weights [][]float32
}

// saveGoldenModels saves the models that a Keras can have, with images and what must come out.
func saveGoldenModels(t *testing.T, dir, ending string, keras3 bool) map[string]computed {
	b, tensors := backendtest.Reference(), golden.Read(t, "models.safetensors")
	var all goldenModels
	golden.JSON(t, "models.json", &all)
	cases := map[string]computed{}
	for name, c := range all.Cases {
		if c.Expect == "refuse" {
			continue
		}
		file := ""
		for _, f := range c.Files {
			if (f.Keras[:1] == "3") == keras3 {
				file = f.File
			}
		}
		if file == "" {
			continue
		}
		m, _, err := OpenModel(b, golden.Path(t, "models/"+file))
		if err != nil {
			if c.Expect == "may refuse" {
				continue
			}
			t.Fatal(err)
		}
		got, err := trainedGoldenModel(t, m, all, filepath.Join(dir, name), ending, tensors, name, keras3)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		cases[name] = got
	}
	return cases
}

func trainedGoldenModel(t *testing.T, m *nn.Model, all goldenModels, path, ending string, tensors *golden.Tensors, name string, keras3 bool) (c computed, err error) {
	t.Helper()
	x, labels := goldenPixels(t, tensors, name, m.Network), tensors.Get(t, name+"/labels").Data
	data := &nn.Images{Height: m.Input[0], Width: m.Input[1], Channels: m.Input[2], NumClasses: m.Classes,
		Pixels: x, Labels: labels}
	trainer, err := nn.NewTrainer(backendtest.Reference(), withoutDropout(t, m.Sequential), nn.Config{Data: data,
		Validation: data, Epochs: 1, Batch: len(labels),
		Schedule: nn.Constant(all.Rate), Momentum: float32(all.Momentum), Init: nn.HeNormal()})
	if err != nil {
		return c, err
	}
	defer trainer.Close()
	for _, w := range m.Weights {
		values, err := m.Get(w.Name)
		if err != nil {
			return c, err
		}
		set(t, trainer.Model, w.Name, values)
	}
	training := &Training{LearningRate: all.Rate, Momentum: float32(all.Momentum)}
	if err := Save(path+ending, trainer.Model, training); err != nil {
		return c, err
	}
	if ending == ".weights.h5" {
		if err := Save(path+".keras", trainer.Model, training); err != nil {
			return c, err
		}
	}
	if c.outputs, _ = infer(t, m, x); m.Output != nn.LogitsOutput {
		_, c.outputs = infer(t, m, x)
	}
	y := labels
	if m.Output != nn.SigmoidOutput {
		y = make([]float32, len(labels)*m.Classes)
		for i, label := range labels {
			y[i*m.Classes+int(label)] = 1
		}
	}
	for ending, values := range map[string][]float32{".x": tensors.Get(t, name+"/x").Data, ".y": y} {
		var file bytes.Buffer
		if err := safetensors.WriteFloats(&file, values); err != nil {
			return c, err
		}
		if err := os.WriteFile(path+ending, file.Bytes(), 0o666); err != nil {
			return c, err
		}
	}
	trainer.Fresh = []string{}
	if err := trainer.Run(context.Background()); err != nil {
		return c, err
	}
	for _, w := range trainer.Model.Weights {
		values, err := trainer.Model.Get(w.Name)
		if err != nil {
			return c, err
		}
		if key := name + "/bn/" + w.Name + "_biased"; keras3 && tensors.Has(key) { // the variance as Keras 3 has it
			values = tensors.Get(t, key).Data
		}
		c.names, c.weights = append(c.names, w.Name), append(c.weights, values)
	}
	return c, nil
}

// readFloats reads a file of float32 values.
func readFloats(t *testing.T, path string) []float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, len(data)/4)
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, values); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", path, err))
	}
	return values
}
