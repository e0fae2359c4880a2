package run

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMeasured(t *testing.T) {
	m := newMeasured(3, 2)
	labels := make([]int32, 0, 100)
	for i := range 100 { // class 1 wrongly taken for 0, more confidently each time up to image 90
		m.add(i, 1, []float32{float32(min(i, 90)) / 10, 0})
		labels = append(labels, 1)
	}
	m.add(100, 0, []float32{1, 1}) // the first of equals
	m.add(101, 1, []float32{-1e30, 1e30})
	labels = append(labels, 0, 1)
	if diff := cmp.Diff([][]int{{1, 0}, {100, 1}}, m.Confusion); diff != "" || m.correct() != 2 {
		t.Errorf("%d correct (-want +got):\n%s", m.correct(), diff)
	}
	var images []int
	for _, w := range m.Wrong {
		images = append(images, w.Image)
	}
	var want []int
	for i := 90; i < 100; i++ { // equals in their order
		want = append(want, i)
	}
	for i := 89; len(want) < mostWrong; i-- {
		want = append(want, i)
	}
	if diff := cmp.Diff(want, images); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := m.Wrong[0]; w.Predicted != 0 || !(math.Abs(w.Confidence-1/(1+math.Exp(-9))) < 1e-12) {
		t.Errorf("%+v", w)
	}

	path := filepath.Join(t.TempDir(), validationName)
	if err := m.write(path); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, readMeasured(path, labels, 2)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What is of other data, or damaged, is as if it were not there.
	for name, got := range map[string]measured{
		"fewer images": readMeasured(path, labels[1:], 2), "more classes": readMeasured(path, labels, 3),
		"no file": readMeasured(path+"x", labels, 2),
	} {
		if got.Epoch != 0 || got.Confusion != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, text := range []string{"", `{"epoch":3`, `{"epoch":3,"confusion":[[1,0],[0,-1]]}`, `{"epoch":1,"confusion":[[1],[101]]}`,
		`{"epoch":1,"confusion":[[1,0],[101,0]],"wrong":[{"image":102}]}`, `{"epoch":1,"confusion":[[1,0],[101,0]],"wrong":[{"predicted":2}]}`} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := readMeasured(path, slices.Clone(labels), 2); got.Epoch != 0 {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
