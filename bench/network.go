package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// passes are the measured passes of a network.
var passes = [...]string{"train", "infer"}

// runTime is the length of a run, in whole steps.
const runTime = 5 * time.Second

// result is what one process measured of one network. The peers print the same JSON.
type result struct {
	Framework       string  `json:"framework"`
	Layout          string  `json:"layout"`
	ImagesPerSecond float64 `json:"images_per_s"`
	PeakMB          float64 `json:"peak_rss_mb"`
}

// Measure measures one pass of the first network and prints the result as JSON. The process should
// do nothing else, so that its peak memory is the network's.
func Measure(o *Options, pass string, w io.Writer) error {
	level, err := ops.Best()
	if err != nil {
		return err
	}
	net, err := buildNetwork(o.Models[0])
	if err != nil {
		return err
	}
	b, err := openTuned(level, o)
	if err != nil {
		return err
	}
	defer b.Close()
	r := result{Framework: "lamina " + b.Name()}
	if r.ImagesPerSecond, err = imagesPerSecond(b, net, pass, o.Batch, runTime); err != nil {
		return err
	}
	r.PeakMB = peakMemory() / 1e6
	return json.NewEncoder(w).Encode(r)
}

// imagesPerSecond returns the rate of one of passes, in whole steps for at least the given time.
func imagesPerSecond(b backend.Backend, net *nn.Network, pass string, batch int, atLeast time.Duration) (
	float64, error) {
	if pass == "train" {
		return trainingRate(b, net, batch, atLeast)
	}
	return inferenceRate(b, net, batch, atLeast)
}

// sameBatch is a Data that repeats one batch of random images, for longer than a run.
type sameBatch struct {
	shape          tensor.Shape // of an image
	images, labels []float32
}

func newSameBatch(shape tensor.Shape, n int) *sameBatch {
	r := rand.New(rand.NewPCG(1, 2))
	d := &sameBatch{shape, make([]float32, n*shape.Size()), make([]float32, n)}
	for i := range d.images {
		d.images[i] = float32(r.IntN(256)) - 115
	}
	for i := range d.labels {
		d.labels[i] = float32(r.IntN(classes))
	}
	return d
}

func (d *sameBatch) Shape() (h, w, c int) { return d.shape[0], d.shape[1], d.shape[2] }
func (d *sameBatch) Classes() int         { return classes }
func (d *sameBatch) Len() int             { return len(d.labels) << 20 }

func (d *sameBatch) Batches(_, _, _ int) iter.Seq2[[]float32, []float32] {
	return func(yield func([]float32, []float32) bool) {
		for yield(d.images, d.labels) {
		}
	}
}

// errMeasured ends a training run once it is measured.
var errMeasured = errors.New("measured")

// trainingRate returns the images per second of training, after two warm-up steps.
func trainingRate(b backend.Backend, net *nn.Network, batch int, atLeast time.Duration) (rate float64, err error) {
	const warm = 2
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var start time.Time
	first := 0
	data := newSameBatch(net.Input, batch)
	t, err := nn.NewTrainer(b, net, nn.Config{
		Data: data, Validation: data, Epochs: 1, Batch: batch,
		Schedule: nn.Constant(1e-6), Momentum: 0.9, Init: nn.HeNormal(), // no network diverges at this rate
		OnStep: func(p nn.Progress) {
			switch elapsed := time.Since(start); {
			case p.Step < warm:
			case first == 0:
				start, first = time.Now(), p.Step
			case elapsed >= atLeast:
				rate = float64((p.Step-first)*batch) / elapsed.Seconds()
				cancel(errMeasured)
			}
		},
	})
	if err != nil {
		return 0, err
	}
	defer t.Close()
	if err := t.Run(ctx); !errors.Is(err, errMeasured) {
		return 0, err
	}
	return rate, nil
}

// inferenceRate returns the images per second of a Predictor.
func inferenceRate(b backend.Backend, net *nn.Network, batch int, atLeast time.Duration) (float64, error) {
	m, err := nn.NewModel(b, net)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	if err := m.Init(nn.HeNormal(), 1); err != nil {
		return 0, err
	}
	p, err := m.NewPredictor(batch)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	images := newSameBatch(net.Input, batch).images
	if _, err := p.Logits(images); err != nil {
		return 0, err
	}
	start := time.Now()
	for steps := 1; ; steps++ {
		if _, err := p.Logits(images); err != nil {
			return 0, err
		}
		if elapsed := time.Since(start); elapsed >= atLeast {
			return float64(steps*batch) / elapsed.Seconds(), nil
		}
	}
}
