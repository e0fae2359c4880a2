package nn

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/ops"
)

// TestEvaluateViews compares one view with Evaluate, and six with the logits of images that are
// moved here.
func TestEvaluateViews(t *testing.T) {
	b := openCPU(t, ops.Generic)
	trainer := newTinyTrainer(t, b, tinyConfig())
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	p, err := trainer.Model.NewPredictor(5)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	d := tinyData(13)
	ctx := context.Background()
	want, err := p.Evaluate(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.EvaluateViews(ctx, d, []View{{Weight: 1}}, nil)
	if err != nil || got.Accuracy != want.Accuracy || !(math.Abs(got.Loss-want.Loss) <= 1e-6) || !(math.Abs(got.CrossEntropy-want.CrossEntropy) <= 1e-6) {
		t.Errorf("one view: %+v, %v, want %+v", got, err, want)
	}

	size := 7 * 6 * 2
	reflect := func(i, n int) int { return min((i+2*(n-1))%(2*(n-1)), 2*(n-1)-(i+2*(n-1))%(2*(n-1))) }
	mean := make([]float64, 13*3)
	for _, v := range SixViews() {
		var moved []float32
		for n := range 13 {
			for y := range 7 {
				for x := range 6 {
					if v.Flip {
						x = 5 - x
					}
					at := n*size + (reflect(y+v.TY, 7)*6+reflect(x+v.TX, 6))*2
					moved = append(moved, d.Pixels[at:at+2]...)
				}
			}
		}
		logits, err := p.Logits(moved)
		if err != nil {
			t.Fatal(err)
		}
		for i, z := range logits {
			mean[i] += float64(z) * float64(v.Weight)
		}
	}
	images := 0
	_, err = p.EvaluateViews(ctx, d, SixViews(), func(labels, logits []float32) {
		for i, z := range logits {
			if !(math.Abs(float64(z)-mean[images*3+i]) <= 1e-5) {
				t.Errorf("logit %d of image %d is %g, want %g", i%3, images+i/3, z, mean[images*3+i])
			}
		}
		images += len(labels)
	})
	if err != nil || images != 13 {
		t.Errorf("%d images, %v", images, err)
	}
	if _, err := p.EvaluateViews(ctx, d, []View{{TX: 6}}, nil); err == nil || !strings.Contains(err.Error(), "6 and 0 pixels") {
		t.Errorf("a shift out of the image: %v", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.EvaluateViews(ctx, d, SixViews(), nil); err == nil {
		t.Error("not cancelled")
	}
}
