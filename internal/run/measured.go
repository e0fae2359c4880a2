package run

import (
	"cmp"
	"encoding/json"
	"io"
	"math"
	"slices"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/infile"
)

// validationName is the file of what the validation of the best epoch showed.
const validationName = "validation.json"

// mostWrong is the number of wrong images in a report.
const mostWrong = 24

// measured is what the validation of an epoch showed.
type measured struct {
	Epoch int `json:"epoch"` // 0 for none
	// Confusion counts the images by their class, the row, and the predicted class, the column.
	Confusion [][]int   `json:"confusion"`
	Wrong     []mistake `json:"wrong"` // the most confident first
}

// mistake is an image that the model takes for one of another class.
type mistake struct {
	Image      int     `json:"image"` // in the validation set
	Predicted  int     `json:"predicted"`
	Confidence float64 `json:"confidence"` // the probability of the predicted class
}

func newMeasured(epoch, classes int) measured {
	m := measured{Epoch: epoch}
	for range classes {
		m.Confusion = append(m.Confusion, make([]int, classes))
	}
	return m
}

// add counts an image by its logits.
func (m *measured) add(image, class int, logits []float32) {
	predicted := 0
	for j, v := range logits { // the first of equals, as for the accuracy
		if v > logits[predicted] {
			predicted = j
		}
	}
	m.Confusion[class][predicted]++
	if predicted == class {
		return
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - float64(logits[predicted]))
	}
	wrong := mistake{image, predicted, 1 / sum}
	at, _ := slices.BinarySearchFunc(m.Wrong, wrong, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(b.Confidence, a.Confidence), cmp.Compare(a.Image, b.Image))
	})
	if at < mostWrong {
		m.Wrong = slices.Insert(m.Wrong, at, wrong)
		m.Wrong = m.Wrong[:min(len(m.Wrong), mostWrong)]
	}
}

// correct returns the number of images that are recognized.
func (m *measured) correct() (n int) {
	for i, row := range m.Confusion {
		n += row[i]
	}
	return n
}

// fits reports whether the measurement can be of a validation set with these labels.
func (m *measured) fits(labels []int32, classes int) bool {
	images := 0
	for _, row := range m.Confusion {
		if len(row) != classes || slices.Min(row) < 0 {
			return false
		}
		for _, n := range row {
			images += n
		}
	}
	bad := func(w mistake) bool {
		return w.Image < 0 || w.Image >= len(labels) || w.Predicted < 0 || w.Predicted >= classes
	}
	return len(m.Confusion) == classes && images == len(labels) && !slices.ContainsFunc(m.Wrong, bad)
}

func (m *measured) write(path string) error {
	return atomicfile.Write(path, func(w io.Writer) error { return json.NewEncoder(w).Encode(m) })
}

// readMeasured reads what write wrote, if it is there and fits.
func readMeasured(path string, labels []int32, classes int) (m measured) {
	text, err := infile.ReadFile(path)
	if err != nil || json.Unmarshal(text, &m) != nil || !m.fits(labels, classes) {
		return measured{}
	}
	return m
}
