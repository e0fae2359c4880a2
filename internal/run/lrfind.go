package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
)

// The rates that FindRate tries, and the number of its steps.
const (
	lowestRate  = 1e-5
	highestRate = 10
	sweepSteps  = 100
)

// errSwept ends the run of FindRate.
var errSwept = errors.New("the sweep is over")

// FindRate trains for some steps, each at a higher learning rate, until the loss grows
// (https://arxiv.org/abs/1506.01186). It draws the losses to a PNG file, and prints a proposal: a
// tenth of the rate at which the loss was least. Nothing else is kept.
func (s *Settings) FindRate(ctx context.Context, path string, out *cli.Output) error {
	if err := atomicfile.Check(path); err != nil {
		return fmt.Errorf("--lr-find %w: name a file in a writable folder", err)
	}
	progress := NewProgress(*s, out, false)
	defer progress.EndBar()
	data, err := s.Dataset(ctx, progress.Progress)
	if err != nil {
		return cli.Interruption(ctx, err)
	}
	if _, err := s.fit(data.Train.Len()); err != nil {
		return err
	}
	setup, err := s.Training(data)
	if err != nil {
		return err
	}
	first := setup.Schedule.At(0, 1, max(s.Epochs, 1))
	if o, ok := setup.Optimizer.(nn.Muon); ok { // its rates keep their proportions
		if !(first > 0) {
			return fmt.Errorf("--lr-find: --lr %s begins with 0", s.LR)
		}
		for i := range o.Rates {
			o.Rates[i].Schedule = rising(o.Rates[i].Schedule.At(0, 1, max(s.Epochs, 1)) / first)
		}
		setup.Optimizer = o
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	sweep := sweep{stop: stop}
	setup.Schedule, setup.Validation, setup.EveryStep, setup.OnStep = rising(1), nil, true, sweep.step
	b, err := s.Options.Open(nil)
	if err != nil {
		return err
	}
	defer b.Close()
	job := Job{Settings: *s, Progress: progress, backend: b}
	setup.Epochs = sweepSteps // of a step or more
	network, err := s.Network(data.Classes)
	if err != nil {
		return err
	}
	t, err := nn.NewTrainer(b, network, setup)
	if err != nil {
		return job.fitting(err, network, setup)
	}
	sweep.batch, sweep.images = t.Batch, t.Images
	if err := job.pretrain(ctx, t.Model); err != nil {
		return err
	}
	if err := t.Run(ctx); !errors.Is(err, errSwept) && !(errors.Is(err, nn.ErrDiverged) && len(sweep.losses) > 0) {
		return cli.Interruption(ctx, err)
	}
	chosen := sweep.proposal()
	if err := atomicfile.Write(path, func(w io.Writer) error {
		return report.Rates(w, sweep.rates, sweep.losses, chosen)
	}); err != nil {
		return fmt.Errorf("--lr-find %w", err)
	}
	prefix, _, found := strings.Cut(s.LR, ":")
	if found && (prefix == "cosine" || prefix == "linear") {
		prefix += ":"
	} else {
		prefix = ""
	}
	progress.EndBar()
	progress.Line("rates", "%s (%d steps of %s)", path, len(sweep.rates), count(t.Batch, "image", "images"))
	progress.Line("proposal", "--lr %s%.2g", prefix, chosen)
	return nil
}

// rising returns the rates of the sweep times a factor.
func rising(factor float64) nn.Schedule {
	return nn.ScheduleFunc(func(step, _, _ int) float64 {
		return factor * lowestRate * math.Pow(highestRate/lowestRate, float64(min(step, sweepSteps-1))/(sweepSteps-1))
	})
}

// sweep is the losses so far.
type sweep struct {
	batch, images int
	rates, losses []float64 // the losses are smoothed
	sum, mean     float64   // of the epoch's losses, and their moving mean
	stop          context.CancelCauseFunc
}

func (s *sweep) step(p nn.Progress) {
	const decay, tooLarge = 0.9, 4
	if p.Step == 1 {
		s.sum = 0
	}
	seen := min(p.Step*s.batch, s.images)
	sum := p.CrossEntropy * float64(seen)
	loss := (sum - s.sum) / float64(seen-(p.Step-1)*s.batch)
	s.sum = sum
	s.mean = decay*s.mean + (1-decay)*loss
	n := len(s.losses) + 1
	smooth := s.mean / (1 - math.Pow(decay, float64(n)))
	s.rates, s.losses = append(s.rates, p.LearningRate), append(s.losses, smooth)
	if n == sweepSteps || smooth > tooLarge*s.losses[s.least()] {
		s.stop(errSwept)
	}
}

// least returns the index of the least loss.
func (s *sweep) least() int {
	best := 0
	for i, loss := range s.losses {
		if loss < s.losses[best] {
			best = i
		}
	}
	return best
}

func (s *sweep) proposal() float64 { return s.rates[s.least()] / 10 }
