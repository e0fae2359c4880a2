package run

import (
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/lamina-go/lamina/internal/cli"
)

// fit sets the flags that Fit names by the number of images for training, and says so. Small sets
// have small batches, so that an epoch has steps enough, and more epochs.
func (s *Settings) fit(images int) (note string, err error) {
	if s.Fit == "" {
		return "", nil
	}
	const steps, least, most = 16, 8, 128
	all := cli.Union(s.Flags())
	said := map[string]string{"epochs": "%s epochs", "batch": "batches of %s", "lr": "learning rate %s"}
	var words []string
	for _, name := range []string{"epochs", "batch", "lr", "bias-lr", "head-lr"} { // rates follow the batch
		if !strings.Contains(","+s.Fit+",", ","+name+",") {
			continue
		}
		var value string
		switch name {
		case "epochs":
			value = fmt.Sprint(min(60, 8+4000/max(images, 1)))
		case "batch":
			value = fmt.Sprint(min(most, max(least, 1<<bits.Len(uint(images/steps))/2)))
		default:
			value = s.rateOf(name)
		}
		if err := all.Set(name, value); err != nil {
			return "", cli.Of(name, err)
		}
		if said[name] != "" {
			words = append(words, fmt.Sprintf(said[name], value))
		}
	}
	s.Fit = ""
	if len(words) == 0 {
		return "", nil
	}
	return fmt.Sprintf("recipe %s, for %s: %s", s.Recipe, count(images, "image", "images"), strings.Join(words, ", ")), nil
}

// rateOf returns the learning rate of a flag for the batch. Muon's updates have a norm that does not
// depend on it. The rates of SGD beside it are as the batch, those of AdamW as its root.
func (s *Settings) rateOf(flag string) string {
	batch := float64(s.Batch)
	adam := 0.001
	if s.Pretrained != "" {
		adam = 0.0003
	}
	switch {
	case s.Optimizer == adamW:
		return fmt.Sprintf("cosine:%.2g", adam*math.Sqrt(batch/32))
	case flag == "bias-lr":
		return fmt.Sprintf("linear:%.3g", 0.08*batch)
	case flag == "head-lr":
		return fmt.Sprintf("linear:%.3g", 0.0002*batch)
	case s.Optimizer == muon:
		return "linear:0.2"
	}
	return fmt.Sprintf("cosine:%.2g", 0.01*batch/32)
}

// Adopt sets the flags that the number of images will set to those of a run that has them.
func (s *Settings) Adopt(begun Settings) error {
	if s.Fit == "" || begun.Fit != "" {
		return nil
	}
	all, known := cli.Union(s.Flags()), cli.Union(begun.Flags())
	for name := range strings.SplitSeq(s.Fit, ",") {
		if err := all.Set(name, known.Lookup(name).Value.String()); err != nil {
			return cli.Of(name, err)
		}
	}
	s.Fit = ""
	return nil
}
