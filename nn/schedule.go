package nn

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/tensor"
)

// Schedule determines the learning rate of each step of a run.
type Schedule struct {
	phases []phase // in order; the last has no end
	cosine bool
	warmUp int // epochs
}

// phase is a learning rate and the epoch, counted from 0, at which it ends.
type phase struct {
	rate  float64
	until int
}

// Constant is one learning rate throughout, at least 0.
func Constant(rate float64) Schedule { return Schedule{phases: []phase{{rate: rate}}} }

// ParseSchedule parses one of three forms. "0.01" is a constant rate. "0.01:81,0.005:141,0.001" is
// 0.01 for the first 81 epochs, 0.005 up to the 141st, then 0.001. "cosine:0.05" falls from 0.05 to
// 0 over the run, step by step, as half a cosine wave (https://arxiv.org/abs/1608.03983, without
// restarts).
func ParseSchedule(text string) (Schedule, error) {
	if number, ok := strings.CutPrefix(text, "cosine:"); ok {
		rate, err := parseRate(number)
		if err != nil {
			return Schedule{}, fmt.Errorf("learning rate %q: %w", text, err)
		}
		return Schedule{phases: []phase{{rate: rate}}, cosine: true}, nil
	}
	var s Schedule
	words := strings.Split(text, ",")
	last := 0
	for i, word := range words {
		number, until, bounded := strings.Cut(word, ":")
		rate, err := parseRate(number)
		if err != nil {
			return Schedule{}, fmt.Errorf("learning rate %q: %w", text, err)
		}
		p := phase{rate: rate}
		switch {
		case bounded && i == len(words)-1:
			return Schedule{}, fmt.Errorf("learning rate %q: the last rate applies to the end of the run and takes no epoch", text)
		case !bounded && i < len(words)-1:
			return Schedule{}, fmt.Errorf("learning rate %q: %q needs the number of epochs after which it ends, as in 0.01:81,0.001", text, word)
		case bounded:
			p.until, err = strconv.Atoi(until)
			if err != nil || p.until <= last {
				return Schedule{}, fmt.Errorf("learning rate %q: epoch %q must be a whole number above %d", text, until, last)
			}
			last = p.until
		}
		s.phases = append(s.phases, p)
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
		return 0, fmt.Errorf("%q is not a number: want a rate such as 0.01, steps such as 0.01:81,0.001, or cosine:0.05", text)
	case !tensor.Finite(rate) || rate < 0 || rate > math.MaxFloat32:
		return 0, fmt.Errorf("%s: must be a finite number, at least 0", text)
	}
	return rate, nil
}

// WarmUp returns the schedule with the rates of the first epochs scaled by a factor that grows
// linearly, step by step, to 1. A cosine begins after them.
func (s Schedule) WarmUp(epochs int) Schedule {
	s.warmUp = epochs
	return s
}

// At returns the learning rate of a step, counted from 0 over the whole run, given the number of
// steps per epoch and of epochs.
func (s Schedule) At(step, stepsPerEpoch, epochs int) float64 {
	rate := s.phases[len(s.phases)-1].rate
	for _, p := range s.phases[:len(s.phases)-1] {
		if step/stepsPerEpoch < p.until {
			rate = p.rate
			break
		}
	}
	warm := s.warmUp * stepsPerEpoch
	switch {
	case step < warm:
		return rate * float64(step+1) / float64(warm)
	case s.cosine:
		return rate / 2 * (1 + math.Cos(math.Pi*float64(step-warm)/float64(epochs*stepsPerEpoch-warm)))
	}
	return rate
}
