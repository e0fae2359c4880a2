package nn

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-go/lamina/internal/views"
)

// View is one way to look at an image.
type View struct {
	TX, TY int  // shift to the left and up, in pixels; outside is what a mirror at the border shows
	Flip   bool // mirrored left to right, after the shift
	Weight float32
}

// SixViews are an image and its mirror image, each as it is, and shifted by a pixel up and left,
// and down and right (https://arxiv.org/abs/2404.00498, section 3.7).
func SixViews() []View {
	return []View{{0, 0, false, 0.25}, {0, 0, true, 0.25}, {1, 1, false, 0.125}, {1, 1, true, 0.125},
		{-1, -1, false, 0.125}, {-1, -1, true, 0.125}}
}

// EvaluateViews is EvaluateEach with test-time augmentation: the logits of an image are the sum of
// those of its views, multiplied by their weights.
func (p *Predictor) EvaluateViews(ctx context.Context, data Data, all []View, each func(labels, logits []float32)) (
	Result, error) {
	if err := p.model.fits(data); err != nil {
		return Result{}, err
	}
	h, w, c := data.Shape()
	for _, v := range all {
		if max(v.TX, -v.TX) >= w || max(v.TY, -v.TY) >= h {
			return Result{}, fmt.Errorf("nn: a view shifted by %d and %d pixels of an image of %dx%d", v.TX, v.TY, h, w)
		}
	}
	classes, size := p.model.Classes, h*w*c
	var total sums
	var view []float32
	for images, labels := range data.Batches(InOrder, 0, p.batch) {
		if err := context.Cause(ctx); err != nil {
			return Result{}, err
		}
		sum := make([]float32, len(labels)*classes)
		view = slices.Grow(view[:0], len(images))[:len(images)]
		for _, v := range all {
			for at := 0; at < len(images); at += size {
				views.Translate(view[at:], images[at:], h, w, c, v.TX, v.TY, v.Flip)
			}
			logits, err := p.Logits(view)
			if err != nil {
				return Result{}, err
			}
			for i, z := range logits {
				sum[i] += v.Weight * z
			}
		}
		for i, label := range labels {
			total.addLogits(sum[i*classes:][:classes], int(label))
		}
		if each != nil {
			each(labels, sum)
		}
	}
	if err := dataErr(data); err != nil {
		return Result{}, err
	}
	penalty, err := p.penalty()
	if err != nil {
		return Result{}, err
	}
	r := total.result()
	r.Loss += penalty
	return r, nil
}

// addLogits adds the cross-entropy of an image's logits.
func (s *sums) addLogits(logits []float32, label int) {
	best := 0
	for i, z := range logits {
		if z > logits[best] {
			best = i
		}
	}
	exp := 0.0
	for _, z := range logits {
		exp += math.Exp(float64(z) - float64(logits[best]))
	}
	loss := float64(logits[best]) + math.Log(exp) - float64(logits[label])
	s.Images++
	s.Loss += loss
	s.CrossEntropy += loss
	if best == label {
		s.Correct++
	}
}
