package cifar

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// word is one of a list of augmentations that has a strength.
type word struct {
	name        string
	strength    func(*Augmentation) *float64
	usual, most float64
	pixels      bool // from 1 on the strength is in pixels
	whole       bool // which are whole
}

// maxPixels is the largest strength in pixels.
const maxPixels = 512

func words() []word {
	return []word{
		{"shift", func(a *Augmentation) *float64 { return &a.Shift }, 0.1, maxPixels, true, false},
		{"crop", func(a *Augmentation) *float64 { return &a.Crop }, 0.125, maxPixels, true, true},
		{"rotate", func(a *Augmentation) *float64 { return &a.Rotate }, 15, 180, false, false},
		{"zoom", func(a *Augmentation) *float64 { return &a.Zoom }, 0.1, 0.9, false, false},
		{"brightness", func(a *Augmentation) *float64 { return &a.Brightness }, 0.2, 1, false, false},
		{"contrast", func(a *Augmentation) *float64 { return &a.Contrast }, 0.2, 1, false, false},
		{"saturation", func(a *Augmentation) *float64 { return &a.Saturation }, 0.2, 1, false, false},
		{"cutout", func(a *Augmentation) *float64 { return &a.Cutout }, 0.25, maxPixels, true, true},
	}
}

// The words that are not in words, and the paddings of crop.
const (
	flipWord, cropWord, randWord = "flip", "crop", "rand"
	zeroPadding, mirrorPadding   = "zero", "reflect"
)

// known are the words of a list, each with its usual strength.
func known() string {
	list := []string{flipWord}
	for _, w := range words() {
		list = append(list, w.name+":"+number(w.usual))
	}
	return strings.Join(append(list, usualRand.String()), ", ")
}

const presetWords = "none, whole-pixel, sub-pixel, or alternating-flip and translate, " +
	"separated by a comma"

// presetsByName maps the words of presets.
func presetsByName() map[string]preset {
	return map[string]preset{"none": 0, "whole-pixel": wholePixel, "sub-pixel": subPixel,
		"alternating-flip": alternatingFlip, "translate": translate}
}

// String returns the list that [ParseAugmentation] reads.
func (a Augmentation) String() string {
	var list []string
	for _, name := range []string{"whole-pixel", "sub-pixel", "alternating-flip", "translate"} {
		if a.preset&presetsByName()[name] != 0 {
			list = append(list, name)
		}
	}
	if a.Flip {
		list = append(list, flipWord)
	}
	for _, w := range words() {
		if v := *w.strength(&a); v != 0 {
			text := w.name + ":" + number(v)
			if w.name == cropWord && !a.Zeros {
				text += ":" + mirrorPadding
			}
			list = append(list, text)
		}
	}
	if a.Rand.N > 0 {
		list = append(list, a.Rand.String())
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, ",")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// MarshalText returns the list.
func (a Augmentation) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText sets a to what [ParseAugmentation] reads.
func (a *Augmentation) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAugmentation(string(text))
	return err
}

// ParseAugmentation reads a list of words, separated by commas: none, whole-pixel, sub-pixel, or
// alternating-flip and translate; or flip, and words with a strength or without, for the usual:
// shift:0.1, crop:0.125 (or crop:0.125:reflect), rotate:15, zoom:0.1, brightness:0.2, contrast:0.2,
// saturation:0.2, cutout:0.25 and rand:2:9. Their order has no influence.
func ParseAugmentation(text string) (Augmentation, error) {
	var a Augmentation
	var seen []string
	for item := range strings.SplitSeq(text, ",") {
		name, strength, given := strings.Cut(item, ":")
		err := a.add(name, strength, given)
		if slices.Contains(seen, name) {
			err = errors.New("is there twice")
		}
		if errors.Is(err, errUnknown) {
			return None, fmt.Errorf("augmentation %q: want %s; or a list of %s", item,
				presetWords, known())
		}
		if err != nil {
			return None, fmt.Errorf("augmentation %q %w", item, err)
		}
		seen = append(seen, name)
	}
	together := len(seen) == 1 || a == AlternatingFlipTranslate
	if alone := slices.IndexFunc(seen, isPreset); alone >= 0 && !together {
		return None, fmt.Errorf("augmentation %q goes with no other word", seen[alone])
	}
	return a, nil
}

func isPreset(name string) bool {
	_, ok := presetsByName()[name]
	return ok
}

var errUnknown = errors.New("unknown")

// add adds a word to the list.
func (a *Augmentation) add(name, strength string, given bool) error {
	if isPreset(name) || name == flipWord {
		a.preset |= presetsByName()[name]
		a.Flip = a.Flip || name == flipWord
		if given {
			return errors.New("has no strength")
		}
		return nil
	}
	if name == randWord {
		return a.Rand.parse(strength, given)
	}
	i := slices.IndexFunc(words(), func(w word) bool { return w.name == name })
	if i < 0 {
		return errUnknown
	}
	w := words()[i]
	if name == cropWord {
		value, padding, padded := strings.Cut(strength, ":")
		if padded && padding != zeroPadding && padding != mirrorPadding {
			return fmt.Errorf("must end in %s or %s", zeroPadding, mirrorPadding)
		}
		strength, a.Zeros = value, padding != mirrorPadding
	}
	v, err := w.usual, error(nil)
	if given {
		v, err = strconv.ParseFloat(strength, 64)
	}
	if err != nil || !(v > 0 && v <= w.most) || w.whole && v >= 1 && v != float64(int(v)) {
		return errors.New(w.wants())
	}
	*w.strength(a) = v
	return nil
}

// wants says which strengths a word has.
func (w word) wants() string {
	whole := ""
	if w.whole {
		whole = "whole "
	}
	if w.pixels {
		return fmt.Sprintf("must be a share of the size, above 0 and below 1, or %spixels from 1 to %d",
			whole, maxPixels)
	}
	return fmt.Sprintf("must be above 0 and at most %g", w.most)
}
