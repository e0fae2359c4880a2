package nn

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/tensor"
)

// Schedule determines the learning rate of each step of a run.
type Schedule interface {
	// At returns the learning rate, finite and at least 0, of a step, counted from 0 over the whole
	// run, given the number of steps per epoch and of epochs. It depends on nothing else, so that a
	// resumed run continues as it would have.
	At(step, stepsPerEpoch, epochs int) float64
}

// ScheduleFunc is a function as a Schedule.
type ScheduleFunc func(step, stepsPerEpoch, epochs int) float64

// At calls f.
func (f ScheduleFunc) At(step, stepsPerEpoch, epochs int) float64 {
	return f(step, stepsPerEpoch, epochs)
}

// Phase is a learning rate and the epoch, counted from 0, at which it ends.
type Phase struct {
	Rate  float64
	Until int
}

// Constant is one learning rate throughout.
func Constant(rate float64) Schedule { return Phases(Phase{Rate: rate}) }

// Phases are learning rates in the order of their ends. The last has no end, and its Until means
// nothing.
func Phases(first Phase, others ...Phase) Schedule { return phases(append([]Phase{first}, others...)) }

// Cosine falls from a rate to 0 over the run, step by step, as half a cosine wave
// (https://arxiv.org/abs/1608.03983, without restarts).
func Cosine(rate float64) Schedule { return cosine{rate: rate} }

// Linear falls from a rate to 0 over the run, step by step.
func Linear(rate float64) Schedule {
	return ScheduleFunc(func(step, stepsPerEpoch, epochs int) float64 {
		return rate * (1 - float64(step)/float64(stepsPerEpoch*epochs))
	})
}

// Until is a schedule for a run of at most some epochs, and then a rate of 0.
func Until(s Schedule, end int) Schedule {
	return ScheduleFunc(func(step, stepsPerEpoch, epochs int) float64 {
		epochs = min(epochs, end)
		if step >= epochs*stepsPerEpoch {
			return 0
		}
		return s.At(step, stepsPerEpoch, epochs)
	})
}

// WarmUp is a schedule with the rates of the first epochs scaled by a factor that grows linearly,
// step by step, to 1. A Cosine begins after them.
func WarmUp(s Schedule, epochs int) Schedule {
	if c, ok := s.(cosine); ok {
		c.after = epochs
		s = c
	}
	return warmUp{s, epochs}
}

type phases []Phase

func (s phases) At(step, stepsPerEpoch, _ int) float64 {
	last := len(s) - 1
	for _, p := range s[:last] {
		if step/stepsPerEpoch < p.Until {
			return p.Rate
		}
	}
	return s[last].Rate
}

type cosine struct {
	rate  float64
	after int // epochs
}

func (s cosine) At(step, stepsPerEpoch, epochs int) float64 {
	begin := s.after * stepsPerEpoch
	if step < begin {
		return s.rate
	}
	return s.rate / 2 * (1 + math.Cos(math.Pi*float64(step-begin)/float64(epochs*stepsPerEpoch-begin)))
}

type warmUp struct {
	Schedule
	epochs int
}

func (s warmUp) At(step, stepsPerEpoch, epochs int) float64 {
	rate := s.Schedule.At(step, stepsPerEpoch, epochs)
	if warm := s.epochs * stepsPerEpoch; step < warm {
		return rate * float64(step+1) / float64(warm)
	}
	return rate
}

// ParseSchedule parses one of four forms. "0.01" is Constant. "0.01:81,0.005:141,0.001" is Phases:
// 0.01 for the first 81 epochs, 0.005 up to the 141st, then 0.001. "cosine:0.05" is Cosine, and
// "linear:0.05" is Linear.
func ParseSchedule(text string) (Schedule, error) {
	for prefix, schedule := range map[string]func(float64) Schedule{"cosine:": Cosine, "linear:": Linear} {
		if number, ok := strings.CutPrefix(text, prefix); ok {
			rate, err := parseRate(number)
			if err != nil {
				return nil, fmt.Errorf("learning rate %q: %w", text, err)
			}
			return schedule(rate), nil
		}
	}
	var s phases
	words := strings.Split(text, ",")
	last := 0
	for i, word := range words {
		number, until, bounded := strings.Cut(word, ":")
		rate, err := parseRate(number)
		if err != nil {
			return nil, fmt.Errorf("learning rate %q: %w", text, err)
		}
		p := Phase{Rate: rate}
		switch {
		case bounded && i == len(words)-1:
			return nil, fmt.Errorf("learning rate %q: the last rate applies to the end of the run and takes no epoch", text)
		case !bounded && i < len(words)-1:
			return nil, fmt.Errorf("learning rate %q: %q needs the number of epochs after which it ends, as in 0.01:81,0.001",
				text, word)
		case bounded:
			p.Until, err = strconv.Atoi(until)
			if err != nil || p.Until <= last {
				return nil, fmt.Errorf("learning rate %q: epoch %q must be a whole number above %d", text, until, last)
			}
			last = p.Until
		}
		s = append(s, p)
	}
	return s, nil
}

func parseRate(text string) (float64, error) {
	rate, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && text == "":
		return 0, fmt.Errorf("a rate is missing")
	case err != nil && math.IsInf(rate, 0):
		return 0, fmt.Errorf("%s is infinite", text)
	case err != nil:
		return 0, fmt.Errorf("%q is not a number: want a rate such as 0.01, steps such as 0.01:81,0.001, cosine:0.05 or linear:0.05", text)
	case !tensor.Finite(rate) || rate < 0 || rate > math.MaxFloat32:
		return 0, fmt.Errorf("%s: must be a finite number, at least 0", text)
	}
	return rate, nil
}
