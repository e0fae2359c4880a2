package nn

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func historyOf(t testing.TB, rows []Row) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHistory(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHistory(t *testing.T) {
	want := []Row{
		{1, Result{2.0 / 3, 0.1, 0.1}, Result{1e8, 0, 1.0 / 3}, 0.01, 12.3},
		{2, Result{1.0 / 3, 0.2, 0}, Result{1e-8, 1, 0}, 0.005, 4}, // of a version without cross-entropies
	}
	for n := range len(want) + 1 {
		got, err := ReadHistory(strings.NewReader(historyOf(t, want[:n])))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[:n], got, cmp.Transformer("empty", func(r []Row) []Row { return append([]Row{}, r...) })); diff != "" {
			t.Errorf("%d epochs (-want +got):\n%s", n, diff)
		}
	}
}

func TestHistoryOfOldVersions(t *testing.T) {
	got, err := ReadHistory(strings.NewReader("epoch,loss,accuracy,val_loss,val_accuracy,lr,images_per_s\n1,2.5,0.1,2.25,0.5,0.01,123.5\n"))
	want := []Row{{1, Result{2.5, 0.1, 0}, Result{2.25, 0.5, 0}, 0.01, 123.5}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestDamagedHistory(t *testing.T) {
	whole := historyOf(t, []Row{{Epoch: 1}, {Epoch: 2}})
	for _, test := range []struct{ old, new, words string }{
		{whole, "", "line 1"},
		{"val_loss", "loss", "line 1"},
		{"\n2,", "\n3,", "line 3: epoch 3, want 2"},
		{"\n2,", "\n1,", "line 3: epoch 1, want 2"},
		{"\n2,0", "\n2,NaN", `line 3: "NaN"`},
		{"\n2,0", "\n2,-Inf", `line 3: "-Inf"`},
		{"\n2,0", "\n2,-1", `line 3: "-1"`},
		{"\n2,0,0", "\n2,0,1.5", "line 3: an accuracy"},
		{"\n2,0", "\n2,much", `line 3: "much"`},
		{",,\n", ",-1,\n", `line 2: "-1"`},
		{",,\n", ",\n", "line 2"},
		{",cross_entropy", "", "line 1"},
		{"\n2,0", "\n2", "line 3"},
		{"\n2,0", "\n2,0,0", "line 3"},
		{"\n2,0", "\n2,\"", "line 3"},
	} {
		text := strings.Replace(whole, test.old, test.new, 1)
		if rows, err := ReadHistory(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), test.words) {
			t.Errorf("%q: %v, %v, want an error with %q", text, rows, err, test.words)
		}
	}
}

func FuzzReadHistory(f *testing.F) {
	f.Add(historyOf(f, []Row{{Epoch: 1, LearningRate: 0.1}, {Epoch: 2}}))
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := ReadHistory(strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := ReadHistory(strings.NewReader(historyOf(t, rows)))
		if err != nil || len(again) != len(rows) {
			t.Errorf("%d epochs came back as %d: %v", len(rows), len(again), err)
		}
	})
}

// The loss of an epoch is its cross-entropy and, apart, the penalty of the weights.
func TestCrossEntropyAndPenalty(t *testing.T) {
	b := openCPU(t, 0)
	c := tinyConfig()
	c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
	trainer := newTinyTrainer(t, b, c)
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for _, w := range trainer.Model.Weights {
		if w.L2 > 0 {
			for _, v := range read(t, trainer.Model, trainer.Model.parameters, w.Name) {
				want += float64(w.L2) * float64(v) * float64(v)
			}
		}
	}
	row := trainer.History[len(trainer.History)-1]
	if got := row.Validation.Penalty(); !(math.Abs(got-want) <= 1e-6*want) || want == 0 {
		t.Errorf("the penalty after the last epoch is %v, want %v", got, want)
	}
	if p := row.Penalty(); !(p > want/2 && p < 2*want) || row.CrossEntropy <= 0 {
		t.Errorf("%+v, want a cross-entropy and a penalty of about %v", row.Result, want)
	}

	// The rest of an epoch that an older version began does not pass for the whole.
	stopped := newTinyTrainer(t, b, c)
	stopAfter(t, stopped, 2)
	stopped.Sums.CrossEntropy = 0
	if err := stopped.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if first, second := stopped.History[0], stopped.History[1]; first.CrossEntropy != 0 || first.Penalty() != 0 || second.CrossEntropy <= 0 {
		t.Errorf("%+v, want no cross-entropy in the first epoch, and one in the second", stopped.History)
	}
}
