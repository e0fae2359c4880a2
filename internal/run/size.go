package run

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/nn"
)

// The sizes of images.
const (
	minSize = 8
	maxSize = 512
)

// The heads of a VGG.
const (
	headFlatten = "flatten"
	headGAP     = "gap"
)

// size is the height and width of images. The zero value is that of CIFAR-10.
type size struct{ h, w int }

func (s size) height() int { return cmp.Or(s.h, cifar.Size) }
func (s size) width() int  { return cmp.Or(s.w, cifar.Size) }

// MarshalText writes HEIGHTxWIDTH, or one number for a square.
func (s size) MarshalText() ([]byte, error) {
	if s.height() == s.width() {
		return strconv.AppendInt(nil, int64(s.height()), 10), nil
	}
	return fmt.Appendf(nil, "%dx%d", s.height(), s.width()), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *size) UnmarshalText(text []byte) error {
	first, second, two := strings.Cut(string(text), "x")
	if !two {
		second = first
	}
	h, bad := strconv.Atoi(first)
	w, worse := strconv.Atoi(second)
	if bad != nil || worse != nil || min(h, w) < minSize || max(h, w) > maxSize {
		return fmt.Errorf("must be a number from %d to %d, or HEIGHTxWIDTH, as 96x128", minSize, maxSize)
	}
	*s = size{h, w}
	return nil
}

// resize says how images are brought to the size. The zero value is nn.Squash.
type resize nn.Resize

const squash = "squash"

// MarshalText writes the name.
func (r resize) MarshalText() ([]byte, error) { return []byte(cmp.Or(string(r), squash)), nil }

// UnmarshalText reads what MarshalText writes.
func (r *resize) UnmarshalText(text []byte) error {
	switch name := string(text); name {
	case squash, "":
		*r = resize(nn.Squash)
	case string(nn.Crop), string(nn.Pad):
		*r = resize(name)
	default:
		return fmt.Errorf("must be %s, %s or %s", squash, nn.Crop, nn.Pad)
	}
	return nil
}

// globalPool reports whether a VGG has the head for images of any size.
func (s *Settings) globalPool() bool {
	if s.Head == "" {
		return s.Size.height() != cifar.Size || s.Size.width() != cifar.Size
	}
	return s.Head == headGAP
}

func (s *Settings) checkHead() error {
	switch {
	case !slices.Contains([]string{"", headFlatten, headGAP}, s.Head):
		return fmt.Errorf("--head %q: must be %s or %s", s.Head, headFlatten, headGAP)
	case s.Head == headFlatten && !slices.Contains(nn.VGGNames(), s.Model):
		return fmt.Errorf("--head %s: %s always has the head %s: omit the flag", s.Head, s.Model, headGAP)
	}
	return nil
}

// vggMin is the least size of a VGG, whose pools halve an image five times.
const vggMin = 32

func (s *Settings) checkSize() error {
	if min(s.Size.height(), s.Size.width()) >= vggMin || !slices.Contains(nn.VGGNames(), s.Model) {
		return nil
	}
	text, err := s.Size.MarshalText()
	if err != nil {
		return err
	}
	return fmt.Errorf("--size %s: %s halves images five times, so it takes %d or more: choose that, or --model resnet20",
		text, s.Model, vggMin)
}
