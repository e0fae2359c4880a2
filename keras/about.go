package keras

import (
	"encoding/json"
	"fmt"

	"github.com/lamina-go/lamina/nn"
)

// aboutKey is the name under which a file keeps what Keras has no place for, and passes over: that of an attribute at
// the root of an .h5 file, and of a key in the metadata.json of a .keras file.
const aboutKey = "lamina"

// about is what this program adds to a model: what its images are.
type about struct {
	Labels []string  `json:"labels,omitempty"`
	Mean   []float32 `json:"mean,omitempty"`
	Std    []float32 `json:"std,omitempty"`
}

func aboutOf(s *nn.Sequential) about { return about{s.Labels, s.Mean, s.Std} }

func readAbout(text []byte, s *nn.Sequential) error {
	var a about
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("what %q says of the images: %w", aboutKey, err)
	}
	s.Labels, s.Mean, s.Std = a.Labels, a.Mean, a.Std
	return nil
}
