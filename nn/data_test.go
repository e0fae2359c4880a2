package nn

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/lamina-go/lamina/ops"
)

// broken is a Data of which only the first batch of an epoch can be read.
type broken struct {
	*Images
	err error
}

func (b *broken) Batches(epoch, first, size int) iter.Seq2[[]float32, []float32] {
	return func(yield func(images, labels []float32) bool) {
		for images, labels := range b.Images.Batches(epoch, first, size) {
			yield(images, labels)
			return
		}
	}
}

func (b *broken) Err() error { return b.err }

// Images that cannot be read are an error, not the end of the epoch.
func TestUnreadableData(t *testing.T) {
	want := errors.New("unreadable")
	ctx := context.Background()
	b := openCPU(t, ops.Generic)
	c := tinyConfig()
	c.Epochs = 2
	good := newTinyTrainer(t, b, c)
	if err := good.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for _, replaced := range []*Data{&c.Data, &c.Validation} {
		whole := *replaced
		*replaced = &broken{whole.(*Images), want}
		trainer := newTinyTrainer(t, b, c)
		if err := trainer.Run(ctx); !errors.Is(err, want) || trainer.Epoch != 0 {
			t.Errorf("error %v in epoch %d", err, trainer.Epoch)
		}
		*replaced = whole
	}
	p, err := good.Model.NewPredictor(3)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	unreadable := &broken{tinyData(13), want}
	if _, err := p.Evaluate(ctx, unreadable); !errors.Is(err, want) {
		t.Errorf("Evaluate: %v", err)
	}
	if _, err := p.EvaluateViews(ctx, unreadable, SixViews(), nil); !errors.Is(err, want) {
		t.Errorf("EvaluateViews: %v", err)
	}
}
