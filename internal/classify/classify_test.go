package classify_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-go/lamina/internal/classify"
	"github.com/lamina-go/lamina/internal/classify/classifytest"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

func TestMain(m *testing.M) {
	code := m.Run()
	classifytest.Remove()
	os.Exit(code)
}

func open(t *testing.T, path string, o classify.Options) *classify.Model {
	t.Helper()
	m, err := classify.Open(classifytest.OpenCPU(t), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := m.Classify(m.Prepare(classifytest.Image(0))); err == nil {
			t.Error("a closed model classifies")
		}
	})
	return m
}

// Eight goroutines classify different numbers of images on one model at once.
func TestConcurrentClassify(t *testing.T) {
	m := open(t, classifytest.Run(t), classify.Options{})
	want := classifytest.Probabilities(t, 0, 150)
	var group sync.WaitGroup
	for i, count := range []int{1, 2, 8, 9, 33, 128, 150, 5} {
		group.Go(func() {
			for range 3 {
				first := i % (151 - count)
				var images []float32
				for j := range count {
					images = append(images, m.Prepare(classifytest.Image(first+j))...)
				}
				predictions, err := m.Classify(images)
				if err != nil || len(predictions) != count {
					t.Errorf("%d images: %d predictions, %v", count, len(predictions), err)
					return
				}
				for j, p := range predictions {
					top, err := p.Top(3)
					if err != nil {
						t.Error(err)
					}
					classifytest.Check(t, top, 3, want[first+j])
				}
			}
		})
	}
	group.Wait()
}

// Fewer large images are computed together, and one at least.
func TestBatch(t *testing.T) {
	for size, want := range map[int]int{32: 128, 64: 128, 224: 10} {
		network, err := nn.Build(nn.Sequential{Input: tensor.Shape{size, size, 3}, Classes: 2, Layers: []nn.Layer{nn.MaxPool{}, nn.MaxPool{}, nn.Flatten{}, nn.Dense{Units: 2}}})
		if err != nil {
			t.Fatal(err)
		}
		model, err := nn.NewModel(classifytest.OpenCPU(t), network)
		if err != nil {
			t.Fatal(err)
		}
		m, err := classify.New(model, "m", classify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Batch(); got != want {
			t.Errorf("%d images of %d pixels squared, want %d", got, size, want)
		}
		if p, err := m.Classify(make([]float32, (want+1)*size*size*3)); err != nil || len(p) != want+1 {
			t.Errorf("%d predictions for %d images: %v", len(p), want+1, err)
		}
	}
}

func TestPrepare(t *testing.T) {
	s := classifytest.Small(8, 16)
	m := open(t, classifytest.Untrained(t, s), classify.Options{Mean: []float32{1, 2, 3}, Std: []float32{2, 4, 8}})
	img := image.NewNRGBA(image.Rect(0, 0, 16, 8))
	for i := range img.Pix {
		img.Pix[i] = []byte{3, 6, 11, 255, 5, 10, 19, 255}[i%8]
	}
	got := m.Prepare(img)
	for i, v := range got {
		if want := []float32{1, 1, 1, 2, 2, 2}[i%6]; v != want {
			t.Fatalf("element %d is %v, want %v", i, v, want)
		}
	}
	if len(got) != 16*8*3 {
		t.Errorf("%d elements", len(got))
	}
}

// What a model lacks is that of the options. Ten classes are not taken for those of CIFAR-10.
func TestOptions(t *testing.T) {
	s := classifytest.Small(20, 44)
	s.Classes = 3
	s.Layers = append(s.Layers[:len(s.Layers)-2], nn.Dense{Units: 3})
	three, ten := classifytest.Untrained(t, s), classifytest.Untrained(t, classifytest.Small(32, 32))
	for _, test := range []struct {
		path    string
		o       classify.Options
		labels  []string
		guessed bool
	}{
		{three, classify.Options{}, []string{"0", "1", "2"}, true},
		{three, classify.Options{Std: []float32{255, 255, 255}}, []string{"0", "1", "2"}, false},
		{three, classify.Options{Labels: []string{"a", "b", "c"}, Mean: []float32{1, 2, 3}}, []string{"a", "b", "c"}, false},
		{ten, classify.Options{}, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, true},
		{classifytest.Run(t), classify.Options{}, classifytest.Shapes().Classes, false},
	} {
		m := open(t, test.path, test.o)
		if !slices.Equal(m.Labels(), test.labels) || m.Guessed != test.guessed {
			t.Errorf("%s, %+v: labels %q, guessed %t", test.path, test.o, m.Labels(), m.Guessed)
		}
	}
	_, err := classify.Open(classifytest.OpenCPU(t), three, classify.Options{Labels: []string{"a"}})
	if !errors.Is(err, classify.ErrLabels) {
		t.Errorf("one label for three classes: %v", err)
	}
}

// The small model answers the same from the files of other programs.
func TestKerasFiles(t *testing.T) {
	m, err := nn.OpenModel(classifytest.OpenCPU(t), classifytest.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	want := classifytest.Probabilities(t, 0, 1)
	for _, name := range []string{"model.h5", "model.keras", "model.safetensors"} {
		file := filepath.Join(t.TempDir(), name)
		if err := keras.Save(file, m, nil); err != nil {
			t.Fatal(err)
		}
		opened := open(t, file, classify.Options{})
		if opened.Name != "model" {
			t.Errorf("%s has the name %q", file, opened.Name)
		}
		predictions, err := opened.Classify(opened.Prepare(classifytest.Image(0)))
		if err != nil {
			t.Fatal(err)
		}
		top, err := predictions[0].Top(3)
		if err != nil {
			t.Fatal(err)
		}
		classifytest.Check(t, top, 3, want[0])
	}
}

func TestNotFinite(t *testing.T) {
	network, err := nn.Build(classifytest.Small(32, 32))
	if err != nil {
		t.Fatal(err)
	}
	model, err := nn.NewModel(classifytest.OpenCPU(t), network)
	if err != nil {
		t.Fatal(err)
	}
	weight := network.Weights[0]
	if err := model.Set(weight.Name, slices.Repeat([]float32{float32(math.NaN())}, weight.Shape.Size())); err != nil {
		t.Fatal(err)
	}
	m, err := classify.New(model, "diverged", classify.Options{Labels: classifytest.Shapes().Classes})
	if err != nil {
		t.Fatal(err)
	}
	predictions, err := m.Classify(m.Prepare(classifytest.Image(0)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := predictions[0].Top(1); !errors.Is(err, classify.ErrNotFinite) {
		t.Errorf("error %v", err)
	}
	if _, err := m.Evaluate(context.Background(), classifytest.Shapes()); !errors.Is(err, classify.ErrNotFinite) {
		t.Errorf("error %v of an evaluation", err)
	}
}

func TestEvaluate(t *testing.T) {
	m, d, want := open(t, classifytest.Run(t), classify.Options{}), classifytest.Shapes(), classifytest.Validation(t)
	e, err := m.Evaluate(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	if e.Accuracy != want.Accuracy || !(math.Abs(e.Loss-want.Loss) <= 1e-5) || e.Images != 300 {
		t.Errorf("%+v on %d images, want the %+v of training", e.Result, e.Images, want)
	}
	found := 0
	for i, row := range e.Confusion {
		n := 0
		for _, count := range row {
			n += count
		}
		if n != 30 {
			t.Errorf("%d images of class %d, want 30", n, i)
		}
		found += row[i]
	}
	if want := int(e.Accuracy*300 + 0.5); found != want {
		t.Errorf("%d on the diagonal, want %d", found, want)
	}
	d.Classes = slices.Concat([]string{"disc"}, d.Classes[1:])
	if _, err := m.Evaluate(context.Background(), d); !errors.Is(err, classify.ErrClasses) || !bytes.Contains([]byte(err.Error()), []byte(`"disc"`)) {
		t.Errorf("other classes: %v", err)
	}
}

// The accuracy of each preparation is that of a model opened with it.
func TestComparePreparations(t *testing.T) {
	d := classifytest.Shapes()
	model, err := nn.OpenModel(classifytest.OpenCPU(t), classifytest.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	model.Mean, model.Std = nil, nil
	unknown, err := classify.New(model, "unknown", classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	compared, err := unknown.ComparePreparations(context.Background(), d, 100)
	if err != nil {
		t.Fatal(err)
	}
	d.Test = d.Test.First(100)
	for i, p := range compared {
		var o classify.Options
		words := strings.Fields(p.Flags)
		for j := 0; j < len(words); j += 2 {
			values, err := cli.PerChannel(words[j+1], classify.Channels)
			if err != nil {
				t.Fatal(err)
			}
			if words[j] == "--mean" {
				o.Mean = values
			} else {
				o.Std = values
			}
		}
		m, err := classify.New(model, "known", o)
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.Evaluate(context.Background(), d)
		if err != nil || p.Accuracy != want.Accuracy || p.Images != 100 || i > 0 && p.Accuracy > compared[i-1].Accuracy {
			t.Errorf("%+v, want accuracy %v, %v", p, want.Accuracy, err)
		}
	}
	if best := compared[0]; len(compared) != 6 || best.Accuracy <= compared[5].Accuracy {
		t.Errorf("%+v: the preparations do not differ", compared)
	}
}
