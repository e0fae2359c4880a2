package keras

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// step is a layer that prepares pixels: x becomes x·scale + offset. One element of each stands for
// all channels.
type step struct {
	scale, offset []float64
	// leaf is a Normalization whose mean and variance are weights.
	leaf   *leaf
	invert bool
}

// prepare adds a layer that prepares the images. It must come before all others.
func (r *networkReader) prepare(leaf *leaf, v value) (value, error) {
	l := leaf.settings
	if v.layer >= 0 || r.used >= 0 || v.step != len(r.steps) {
		return v, fmt.Errorf("layer %q (%s) follows other layers, which is not supported: it must come before all others",
			l.name, l.class)
	}
	s := step{scale: l.numbers("scale", 1), offset: l.numbers("offset", 0)}
	if l.class == "Normalization" {
		s = step{invert: l.flag("invert", false)}
		if !l.has("axis") && l.raw["axis"] != nil {
			l.reject("axis", "null", "the last one, the channels")
		}
		l.axis(false)
		if mean, variance := l.numbers("mean", 0), l.numbers("variance", 1); l.has("mean") || l.has("variance") {
			s.normalize(mean, variance)
		} else {
			leaf.counts = counts{0, 3} // the third counts the batches that were seen
			s.leaf = leaf
		}
	}
	r.steps = append(r.steps, s)
	v.step++
	return v, l.err
}

// normalize sets the scale and the offset from a mean and a variance.
func (s *step) normalize(mean, variance []float64) {
	n := max(len(mean), len(variance))
	s.scale, s.offset = make([]float64, n), make([]float64, n)
	for c := range n {
		deviation := max(math.Sqrt(at(variance, c)), 1e-7)
		if s.invert {
			s.scale[c], s.offset[c] = deviation, at(mean, c)
		} else {
			s.scale[c], s.offset[c] = 1/deviation, -at(mean, c)/deviation
		}
	}
}

// at returns the element of channel c.
func at(list []float64, c int) float64 {
	if len(list) == 1 {
		return list[0]
	}
	if c < len(list) {
		return list[c]
	}
	return math.NaN()
}

// numbers returns the numbers of a setting: one, or lists of them, or an array.
func (l *settings) numbers(key string, standard float64) []float64 {
	if !l.has(key) {
		return []float64{standard}
	}
	text := l.raw[key]
	var array struct {
		Value  json.RawMessage `json:"value"` // in older versions
		Config struct {
			Value json.RawMessage `json:"value"`
		} `json:"config"`
	}
	if starts(text, '{') {
		l.decode(key, &array)
		if text = array.Value; text == nil {
			text = array.Config.Value
		}
	}
	var all []float64
	var flatten func(v any) bool
	flatten = func(v any) bool {
		switch v := v.(type) {
		case float64:
			all = append(all, v)
			return true
		case []any:
			return !slices.ContainsFunc(v, func(v any) bool { return !flatten(v) })
		}
		return false
	}
	var v any
	if json.Unmarshal(text, &v) != nil || !flatten(v) || len(all) == 0 {
		l.reject(key, compact(l.raw[key]), "numbers")
		return []float64{standard}
	}
	return all
}

// prepared sets the network's mean and deviation to what all steps make of a pixel. Read returns
// the values of a weight of a leaf.
func (c *converted) prepared(read func(leaf *leaf, weight, size int) ([]float64, error)) error {
	channels := c.network.Input[2]
	if len(c.steps) == 0 {
		return nil
	}
	if channels < 1 || channels > 1<<16 {
		return errors.New("the input has too many channels to prepare them")
	}
	scale, offset := make([]float64, channels), make([]float64, channels)
	for i := range scale {
		scale[i] = 1
	}
	for _, s := range c.steps {
		if s.leaf != nil {
			mean, err := read(s.leaf, 0, channels)
			if err != nil {
				return err
			}
			variance, err := read(s.leaf, 1, channels)
			if err != nil {
				return err
			}
			s.normalize(mean, variance)
		}
		for _, list := range [][]float64{s.scale, s.offset} {
			if len(list) != 1 && len(list) != channels {
				return fmt.Errorf("the pixels are prepared by %d numbers, but have %d channels", len(list), channels)
			}
		}
		for i := range scale {
			scale[i], offset[i] = scale[i]*at(s.scale, i), offset[i]*at(s.scale, i)+at(s.offset, i)
		}
	}
	mean, std := make([]float32, channels), make([]float32, channels)
	for i := range scale {
		if !(scale[i] > 0) {
			return fmt.Errorf("the pixels are multiplied by %g, which is not supported, only numbers above 0", scale[i])
		}
		mean[i], std[i] = float32(-offset[i]/scale[i]), float32(1/scale[i])
	}
	c.network.Mean, c.network.Std, c.network.Raw = mean, std, true
	return nil
}
