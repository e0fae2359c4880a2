package classify

import (
	"context"
	"fmt"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// Evaluation is how well a model does on a dataset.
type Evaluation struct {
	nn.Result
	Images  int      `json:"images"`
	Classes []string `json:"classes"`
	// Confusion counts the images by their class, the row, and the predicted class, the column.
	Confusion [][]int `json:"confusion"`
	// Preparations are compared where the model's file does not record how pixels are prepared.
	Preparations []Preparation `json:"preparations,omitempty"`
}

// Evaluate measures the model on the test images of a dataset, whose classes must be those of the
// model.
func (m *Model) Evaluate(ctx context.Context, d *cifar.Dataset) (*Evaluation, error) {
	labels, err := m.labelsOf(d.Classes)
	if err != nil {
		return nil, err
	}
	e := &Evaluation{Images: d.Test.Len(), Classes: labels}
	for range labels {
		e.Confusion = append(e.Confusion, make([]int, len(labels)))
	}
	data := d.Validation(cifar.Normalization{Mean: m.mean, Std: m.std})
	e.Result, err = m.predictor.EvaluateEach(ctx, data, func(classes, logits []float32) {
		for i, class := range classes {
			row := logits[i*len(labels) : (i+1)*len(labels)]
			predicted := 0
			for j, v := range row {
				if v > row[predicted] {
					predicted = j
				}
			}
			e.Confusion[int(class)][predicted]++
		}
	})
	if err == nil && !tensor.Finite(e.Loss) {
		err = ErrNotFinite
	}
	return e, err
}

// labelsOf returns the labels of the model, which must equal the names of a dataset's classes. A
// model without labels takes the dataset's.
func (m *Model) labelsOf(names []string) ([]string, error) {
	if len(names) != m.network.Classes {
		return nil, fmt.Errorf("%s has %d classes, the dataset %d", m.Name, m.network.Classes, len(names))
	}
	if !m.named {
		return names, nil
	}
	for i, name := range names {
		if name != m.labels[i] {
			return nil, fmt.Errorf("%w: class %d is %q in %s and %q in the dataset", ErrClasses, i, m.labels[i],
				m.Name, name)
		}
	}
	return names, nil
}
