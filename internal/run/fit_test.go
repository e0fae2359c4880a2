package run

import (
	"slices"
	"testing"

	"github.com/lamina-go/lamina/nn"
)

func TestFit(t *testing.T) {
	const all = "batch,bias-lr,epochs,head-lr,lr"
	for _, test := range []struct {
		images           int
		fit, optimizer   string
		epochs, batch    int
		rate, bias, note string
	}{
		{40, all, muon, 60, 8, "linear:0.2", "linear:0.64",
			"recipe small, for 40 images: 60 epochs, batches of 8, learning rate linear:0.2"},
		{800, all, muon, 13, 32, "linear:0.2", "linear:2.56",
			"recipe small, for 800 images: 13 epochs, batches of 32, learning rate linear:0.2"},
		{50_000, "batch,epochs,lr", adamW, 8, 128, "cosine:0.002", "",
			"recipe small, for 50000 images: 8 epochs, batches of 128, learning rate cosine:0.002"},
		{800, "lr", sgd, 200, 128, "cosine:0.04", "", "recipe small, for 800 images: learning rate cosine:0.04"},
		{1, "bias-lr", muon, 200, 128, "0.01:81,0.005:141,0.001", "linear:10.2", ""},
	} {
		s := Defaults()
		s.Recipe, s.Fit, s.Optimizer = small, test.fit, test.optimizer
		note, err := s.fit(test.images)
		if err != nil {
			t.Fatal(err)
		}
		if note != test.note || s.Epochs != test.epochs || s.Batch != test.batch || s.LR != test.rate || s.BiasLR != test.bias || s.Fit != "" {
			t.Errorf("%d images: %q, %d epochs, batch %d, rates %q and %q", test.images, note, s.Epochs,
				s.Batch, s.LR, s.BiasLR)
		}
	}
}

func TestUnfreezing(t *testing.T) {
	u := unfreezing{nn.Linear(1), 2}
	for step, want := range map[int]float64{0: 1, 5: 0.5, 9: 0.1, 10: 0.1, 20: 0.05} {
		if got := u.At(step, 5, 6); got-want > 1e-12 || want-got > 1e-12 {
			t.Errorf("step %d: %v, want %v", step, got, want)
		}
	}
}

func TestBalance(t *testing.T) {
	if got := balance([]int32{0, 0, 0, 2}, 3); !slices.Equal(got, []float32{4. / 9, 4. / 3, 4. / 3}) {
		t.Errorf("weights %v", got)
	}
}
