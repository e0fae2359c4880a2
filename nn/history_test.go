package nn

import (
	"bytes"
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
		{1, Result{2.0 / 3, 0.1}, Result{1e8, 0}, 0.01, 12.3},
		{2, Result{1.0 / 3, 0.2}, Result{1e-8, 1}, 0.005, 4},
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
