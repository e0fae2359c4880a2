package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

func TestMain(m *testing.M) {
	code := clitest.Run(m, main)
	if r, err := trained(); err == nil {
		os.RemoveAll(filepath.Dir(r.folder))
	}
	os.Exit(code)
}

var drawn = sync.OnceValue(func() *cifar.Dataset { return cifar.Shapes(1, 640, 300) })

// shapes returns what the small model is trained on.
func shapes() *cifar.Dataset {
	d := *drawn()
	return &d
}

// small is a network of images that is trained in a moment.
func small(height, width int) nn.Sequential {
	return nn.Sequential{Input: tensor.Shape{height, width, 3}, Classes: 10, Layers: []nn.Layer{
		nn.Conv2D{Filters: 16, Kernel: 3, L2: 1e-4}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Conv2D{Filters: 32, Kernel: 3, L2: 1e-4}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Conv2D{Filters: 32, Kernel: 3, L2: 1e-4}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Flatten{}, nn.Dense{Units: 10}, nn.BatchNorm{},
	}}
}

// shortRun is a run of the small model.
type shortRun struct {
	folder     string
	validation nn.Result // of its last epoch
}

// trained is a run of the small model on shapes, made when it is first asked for.
var trained = sync.OnceValues(func() (*shortRun, error) {
	parent, err := os.MkdirTemp("", "predict")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(parent, "shapes") // the name that the page shows
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	d, n := shapes(), cifar.MeanOnly()
	s := small(32, 32)
	s.Labels, s.Mean, s.Std = d.Classes, n.Mean[:], []float32{1, 1, 1}
	network, err := nn.Build(s)
	if err != nil {
		return nil, err
	}
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	t, err := nn.NewTrainer(b, network, nn.Config{
		Data: d.Training(n, cifar.None, 1), Validation: d.Validation(n),
		Epochs: 4, Batch: 32, Schedule: nn.Constant(0.02), Momentum: 0.9, Init: nn.HeNormal(), Seed: 1,
		Checkpoint: filepath.Join(dir, run.CheckpointName),
	})
	if err != nil {
		return nil, err
	}
	if err := t.Run(context.Background()); err != nil {
		return nil, err
	}
	return &shortRun{dir, t.History[len(t.History)-1].Validation}, nil
})

// model returns the folder of a run of the small model.
func model(t testing.TB) string {
	t.Helper()
	r, err := trained()
	if err != nil {
		t.Fatal(err)
	}
	return r.folder
}

// untrained saves a network with its first weights.
func untrained(t testing.TB, s nn.Sequential) string {
	t.Helper()
	network, err := nn.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	b := open(t)
	h, w, c := s.Input[0], s.Input[1], s.Input[2]
	data := &nn.Images{Height: h, Width: w, Channels: c, NumClasses: s.Classes, Pixels: make([]float32, h*w*c), Labels: []float32{0}}
	file := filepath.Join(t.TempDir(), "model.lamina")
	trainer, err := nn.NewTrainer(b, network, nn.Config{Data: data, Validation: data, Epochs: 1, Batch: 1,
		Schedule: nn.Constant(0.01), Init: nn.HeNormal(), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := trainer.State.Save(file); err != nil {
		t.Fatal(err)
	}
	return file
}

// open opens the processor.
func open(t testing.TB) backend.Backend {
	t.Helper()
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// put writes a file and the folders above it.
func put(t testing.TB, data []byte, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// pngOf returns a picture as a PNG file.
func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb returns a PNG of one pixel that says it has 50,000 x 50,000.
func bomb(t testing.TB) []byte {
	data := pngOf(t, image.NewGray(image.Rect(0, 0, 1, 1)))
	header := data[12:29] // type and data of the first chunk
	binary.BigEndian.PutUint32(header[4:], 50_000)
	binary.BigEndian.PutUint32(header[8:], 50_000)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(header))
	return data
}

// shape returns test image i of the built-in data.
func shape(i int) image.Image {
	pixels := shapes().Test.Pixels[i*32*32*3:]
	m := image.NewNRGBA(image.Rect(0, 0, 32, 32))
	for j := range 32 * 32 {
		copy(m.Pix[4*j:], pixels[3*j:3*j+3])
		m.Pix[4*j+3] = 255
	}
	return m
}
