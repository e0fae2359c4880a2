package run

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/nn"
)

// Complete sets what the flags of a new run, as given, leave to its recipe and its network, and
// makes paths absolute.
func (s *Settings) Complete(given *pflag.FlagSet) error {
	if err := s.ApplyRecipe(given); err != nil {
		return err
	}
	if slices.Contains(nn.ResNetNames(), s.Model) || s.Model == nn.FastName {
		if given.Changed("dropout") && s.Dropout != 0 || !s.BatchNorm {
			return fmt.Errorf("--model %s has batch normalization and no dropout: omit --dropout and --bn", s.Model)
		}
		s.Dropout = 0
	}
	return s.Absolute()
}
