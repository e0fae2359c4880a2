package keras

import (
	"fmt"

	"github.com/lamina-go/lamina/nn"
)

// aboutKey names this program's additions to a file, which Keras ignores: an attribute at the root
// of an .h5 file, a key in the metadata.json of a .keras file.
const aboutKey = "lamina"

// about is what this program adds to a model: a description of its images.
type about struct {
	Labels []string  `json:"labels,omitempty"`
	Mean   []float32 `json:"mean,omitempty"`
	Std    []float32 `json:"std,omitempty"`
	Resize nn.Resize `json:"resize,omitempty"`
}

func aboutOf(s *nn.Sequential) about { return about{s.Labels, s.Mean, s.Std, s.Resize} }

func (f *File) readAbout(text []byte, s *nn.Sequential) error {
	var a about
	if err := f.budget.JSON(text, &a); err != nil {
		return fmt.Errorf("the description of the images, %q: %w", aboutKey, err)
	}
	s.Labels, s.Resize = a.Labels, a.Resize
	if !s.Raw { // else the layers of the file say more
		s.Mean, s.Std = a.Mean, a.Std
	}
	return nil
}
