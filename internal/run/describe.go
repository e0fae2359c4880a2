package run

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/digits"
)

// Shown lists the flags of settings for a report, in the order of the help, except for paths and
// the backend.
func Shown(s *Settings) (all []*pflag.Flag) {
	for _, g := range s.Flags() {
		g.VisitAll(func(f *pflag.Flag) {
			if f.Name == "epochs" || !slices.Contains(MayChange(), f.Name) {
				all = append(all, f)
			}
		})
	}
	return all
}

// Value returns the value of a flag for a report.
func Value(f *pflag.Flag) string { return cmp.Or(f.Value.String(), "none") }

// String describes the images of a run.
func (f Facts) String() string {
	return fmt.Sprintf("%s, %s images for training, %s for validation, %d classes", filepath.Base(f.Data),
		digits.Group(f.Images), digits.Group(f.Validation), f.Classes)
}

// Machine describes what a run began on.
func (c *Config) Machine() string {
	return fmt.Sprintf("%s, %s, %s, %s", c.CPU, c.Backend, c.Platform, c.Go)
}
