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
	return m.evaluate(ctx, d, m.predictor.EvaluateEach)
}

// EvaluateViews is Evaluate with several views of each image, such as nn.SixViews.
func (m *Model) EvaluateViews(ctx context.Context, d *cifar.Dataset, views []nn.View) (*Evaluation, error) {
	return m.evaluate(ctx, d, func(ctx context.Context, data nn.Data, each func(labels, logits []float32)) (nn.Result, error) {
		return m.predictor.EvaluateViews(ctx, data, views, each)
	})
}

func (m *Model) evaluate(ctx context.Context, d *cifar.Dataset,
	measure func(context.Context, nn.Data, func(labels, logits []float32)) (nn.Result, error)) (*Evaluation, error) {
	if err := m.CheckClasses(d.Classes); err != nil {
		return nil, err
	}
	e, n := &Evaluation{Images: d.Test.Len(), Classes: d.Classes}, len(d.Classes)
	for range n {
		e.Confusion = append(e.Confusion, make([]int, n))
	}
	data := d.Validation(normalization(m.mean, m.std))
	var err error
	e.Result, err = measure(ctx, data, func(classes, logits []float32) {
		for i, class := range classes {
			row := logits[i*n : (i+1)*n]
			predicted := 0
			for j, v := range row { // slices.Max returns NaN if there is one
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

// normalization returns a preparation of pixels for a dataset. One of grey pixels has no use there,
// since the images of datasets have colours.
func normalization(mean, std []float32) (n cifar.Normalization) {
	copy(n.Mean[:], mean)
	copy(n.Std[:], std)
	return n
}

// CheckClasses returns an error unless the classes of a dataset are those of the model. A model
// without labels takes any names.
func (m *Model) CheckClasses(names []string) error {
	if len(names) != m.network.Classes {
		return fmt.Errorf("%s has %d classes, the dataset %d", m.name, m.network.Classes, len(names))
	}
	if m.guessed.Labels {
		return nil
	}
	for i, name := range names {
		if name != m.labels[i] {
			return fmt.Errorf("%w: class %d is %q in %s and %q in the dataset", ErrClasses, i, m.labels[i],
				m.name, name)
		}
	}
	return nil
}
