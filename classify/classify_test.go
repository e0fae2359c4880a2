package classify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
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
	m, err := classify.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if _, err := m.Classify(t.Context(), classifytest.Image(0)); err == nil {
			t.Error("a closed model classifies")
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Eight goroutines classify different numbers of images on one model at once.
func TestConcurrentClassify(t *testing.T) {
	m := open(t, classifytest.Run(t), classify.Options{})
	want := classifytest.Probabilities(t, 0, 200)
	var group sync.WaitGroup
	for i, count := range []int{1, 2, 8, 9, 33, 128, 192, 5} {
		group.Go(func() {
			for range 3 {
				first := i
				var images []image.Image
				for j := range count {
					images = append(images, classifytest.Image(first+j))
				}
				results, err := m.Classify(t.Context(), images...)
				if err != nil || len(results) != count {
					t.Errorf("%d images: %d results, %v", count, len(results), err)
					return
				}
				for j, r := range results {
					classifytest.Check(t, r.Top(3), 3, want[first+j])
					best := slices.Index(want[first+j], slices.Max(want[first+j]))
					if r.Label() != classifytest.Shapes().Classes[best] || r.Classes[0].Index != best ||
						r.Probability() != r.Classes[0].Probability || len(r.Classes) != 10 || len(r.Top(20)) != 10 || len(r.Top(-1)) != 0 {
						t.Errorf("%+v, want class %d", r, best)
					}
				}
			}
		})
	}
	group.Wait()
}

// A call ends with its context, even while its batch is computed.
func TestCancelledCall(t *testing.T) {
	m := open(t, classifytest.Run(t), classify.Options{})
	computing, release := make(chan struct{}), make(chan struct{})
	m.OnBatch(func(int) { computing <- struct{}{}; <-release })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-computing; cancel() }()
	if _, err := m.Classify(ctx, classifytest.Image(0), classifytest.Image(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := m.Classify(ctx, classifytest.Image(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	m.OnBatch(nil)
	close(release)
	if _, err := m.Classify(t.Context(), classifytest.Image(0)); err != nil {
		t.Error(err)
	}
}

// Pixels of another size and images without pixels are errors.
func TestBadImages(t *testing.T) {
	m := open(t, classifytest.Run(t), classify.Options{})
	good := classifytest.Image(0)
	for _, bad := range []image.Image{nil, image.NewGray(image.Rectangle{})} {
		if _, err := m.Classify(t.Context(), good, bad, good); err == nil || err.Error() != "image 2 of 3: the image has no pixels" {
			t.Errorf("error %v", err)
		}
	}
	_, err := m.ClassifyPrepared(t.Context(), make([]float32, 32*32))
	if err == nil || !strings.Contains(err.Error(), "1024 values, but shapes takes (32, 32, 3)") {
		t.Errorf("error %v", err)
	}
	if _, err := classify.Decode(t.Context(), strings.NewReader("hello")); err == nil {
		t.Error("a text is decoded")
	}
}

// Large images, of which fewer are computed together, and none.
func TestSizes(t *testing.T) {
	for _, size := range []int{32, 224, 1024} {
		network, err := nn.Build(nn.Sequential{Input: tensor.Shape{size, size, 3}, Classes: 2, Layers: []nn.Layer{
			nn.MaxPool{}, nn.MaxPool{}, nn.MaxPool{}, nn.Flatten{}, nn.Dense{Units: 2}}})
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
		defer m.Close()
		for _, n := range []int{0, 1, 12} {
			images := slices.Repeat([]image.Image{image.NewGray(image.Rect(0, 0, 3, 3))}, n)
			if r, err := m.Classify(t.Context(), images...); err != nil || len(r) != n {
				t.Errorf("%d results for %d images: %v", len(r), n, err)
			}
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
	got, err := m.Prepare(img)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if want := []float32{1, 1, 1, 2, 2, 2}[i%6]; v != want {
			t.Fatalf("element %d is %v, want %v", i, v, want)
		}
	}
	if len(got) != 16*8*3 {
		t.Errorf("%d elements", len(got))
	}
}

// A network of grey images takes the luma of colours.
func TestGrey(t *testing.T) {
	s := classifytest.Small(8, 8)
	s.Input = tensor.Shape{8, 8, 1}
	path := classifytest.Untrained(t, s)
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		c := color.NRGBA{uint8(4 * i), uint8(255 - i), uint8(3 * i), 255}
		img.SetNRGBA(i%8, i/8, c)
	}
	for _, o := range []classify.Options{{}, {Mean: []float32{0}, Std: []float32{255}}} {
		m := open(t, path, o)
		if want := o.Mean == nil; m.Guessed().Preparation != want {
			t.Errorf("guessed %+v of %+v", m.Guessed(), o)
		}
		got, err := m.Prepare(img)
		if err != nil || len(got) != 64 {
			t.Fatalf("%d elements, %v", len(got), err)
		}
		for i, v := range got {
			want := float64(color.GrayModel.Convert(img.At(i%8, i/8)).(color.Gray).Y) / 255
			if !(math.Abs(float64(v)-want) <= 1.0/255+1e-6) { // one rounds 16 bits, the other 8
				t.Errorf("element %d is %v, want %v", i, v, want)
			}
		}
		if r, err := m.Classify(t.Context(), img); err != nil || len(r[0].Classes) != 10 {
			t.Errorf("%v, %v", r, err)
		}
	}
}

// What a model lacks is that of the options. Ten classes are not taken for those of CIFAR-10.
func TestOptions(t *testing.T) {
	s := classifytest.Small(20, 44)
	s.Classes = 3
	s.Layers = append(s.Layers[:len(s.Layers)-2], nn.Dense{Units: 3})
	three, ten := classifytest.Untrained(t, s), classifytest.Untrained(t, classifytest.Small(32, 32))
	numbers := strings.Fields("0 1 2 3 4 5 6 7 8 9")
	for _, test := range []struct {
		path    string
		o       classify.Options
		labels  []string
		guessed classify.Guessed
	}{
		{three, classify.Options{}, numbers[:3], classify.Guessed{Preparation: true, Labels: true}},
		{three, classify.Options{Std: []float32{255}}, numbers[:3], classify.Guessed{Labels: true}},
		{three, classify.Options{Labels: []string{"a", "b", "c"}, Mean: []float32{1, 2, 3}}, []string{"a", "b", "c"}, classify.Guessed{}},
		{ten, classify.Options{}, numbers, classify.Guessed{Preparation: true, Labels: true}},
		{classifytest.Run(t), classify.Options{}, classifytest.Shapes().Classes, classify.Guessed{}},
	} {
		m := open(t, test.path, test.o)
		if !slices.Equal(m.Labels(), test.labels) || m.Guessed() != test.guessed {
			t.Errorf("%s, %+v: labels %q, guessed %+v", test.path, test.o, m.Labels(), m.Guessed())
		}
	}
	nan := float32(math.NaN())
	for _, test := range []struct {
		o     classify.Options
		words string
	}{
		{classify.Options{Labels: []string{"a"}}, "1 for the 3 classes of model"},
		{classify.Options{Mean: []float32{1, 2}}, "option Mean: 2 values"},
		{classify.Options{Mean: []float32{nan}}, "option Mean: [NaN]: want finite"},
		{classify.Options{Std: []float32{1, 0, 1}}, "option Std: [1 0 1]: want values above 0"},
		{classify.Options{Std: []float32{}}, "option Std: 0 values"},
	} {
		if _, err := classify.Open(three, test.o); err == nil || !strings.Contains(err.Error(), test.words) ||
			errors.Is(err, classify.ErrLabels) != (test.o.Labels != nil) {
			t.Errorf("%+v: %v", test.o, err)
		}
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
		if opened.Name() != "model" || !opened.Input().Equal(tensor.Shape{32, 32, 3}) {
			t.Errorf("%s has the name %q and takes %v", file, opened.Name(), opened.Input())
		}
		results, err := opened.Classify(t.Context(), classifytest.Image(0))
		if err != nil {
			t.Fatal(err)
		}
		classifytest.Check(t, results[0].Top(3), 3, want[0])
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
	defer m.Close()
	if _, err := m.Classify(t.Context(), classifytest.Image(0)); !errors.Is(err, classify.ErrNotFinite) {
		t.Errorf("error %v", err)
	}
	_, err = m.Classify(t.Context(), classifytest.Image(0), classifytest.Image(1))
	if !errors.Is(err, classify.ErrNotFinite) || !strings.Contains(err.Error(), "image 1 of 2") {
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
	defer unknown.Close()
	compared, err := unknown.ComparePreparations(context.Background(), d, 100)
	if err != nil {
		t.Fatal(err)
	}
	d.Test = d.Test.First(100)
	for i, p := range compared {
		m, err := classify.New(model, "known", classify.Options{Mean: p.Mean, Std: p.Std})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		flags := "--mean " + flag(p.Mean)
		if p.Std[0] != 1 || p.Mean[0] == 0 {
			flags += " --std " + flag(p.Std)
		}
		if p.Flags != flags {
			t.Errorf("flags %q, want %q", p.Flags, flags)
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

// flag returns values as the commands take them.
func flag(values []float32) string {
	if values[0] == values[1] && values[1] == values[2] {
		return fmt.Sprint(values[0])
	}
	return fmt.Sprintf("%v,%v,%v", values[0], values[1], values[2])
}
