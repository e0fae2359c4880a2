package nn

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/tensor"
)

// Row is the record of an epoch.
type Row struct {
	Epoch           int     `json:"epoch"` // from 1
	Result                  // means over the epoch's images before each update, weighted by batch size
	Validation      Result  `json:"validation"` // zero without Config.Validation
	LearningRate    float64 `json:"lr"`         // of the epoch's last step
	ImagesPerSecond float64 `json:"images_per_s"`
}

// The columns of a history: those of every version, with Keras's names, and those added since.
const (
	historyHeader = "epoch,loss,accuracy,val_loss,val_accuracy,lr,images_per_s"
	addedColumns  = ",cross_entropy,val_cross_entropy"
)

// WriteHistory writes a run's epochs as CSV, with all digits. An unknown cross-entropy is empty, as
// is a validation that is all zeros: there was none.
func WriteHistory(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString(historyHeader + addedColumns + "\n")
	for _, r := range rows {
		fmt.Fprint(&b, r.Epoch)
		for i, v := range []float64{r.Loss, r.Accuracy, r.Validation.Loss, r.Validation.Accuracy, r.LearningRate} {
			b.WriteString(",")
			if validation := i == 2 || i == 3; !validation || r.Validation != (Result{}) {
				b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
			}
		}
		fmt.Fprintf(&b, ",%.1f", r.ImagesPerSecond)
		for _, v := range []float64{r.CrossEntropy, r.Validation.CrossEntropy} {
			b.WriteString(",")
			if v != 0 {
				b.WriteString(strconv.FormatFloat(v, 'g', -1, 64))
			}
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ReadHistory reads what WriteHistory wrote, in this version or one before the added columns.
// Epochs are in order, from 1, without gaps; no value is negative, no accuracy above 1.
func ReadHistory(r io.Reader) ([]Row, error) {
	in := csv.NewReader(r)
	header, err := in.Read()
	if err != nil && err != io.EOF {
		return nil, err
	}
	if line := strings.Join(header, ","); line != historyHeader && line != historyHeader+addedColumns {
		return nil, fmt.Errorf("line 1: want %s", historyHeader+addedColumns)
	}
	var rows []Row
	for {
		record, err := in.Read() // each of as many fields as the header has
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		var v [9]float64
		for i, field := range record {
			if validation := i == 3 || i == 4; field == "" && (validation || i >= 7) {
				continue
			}
			if v[i], err = strconv.ParseFloat(field, 64); err != nil || !tensor.Finite(v[i]) || v[i] < 0 {
				return nil, fmt.Errorf("line %d: %q is not a finite number of at least 0", len(rows)+2, field)
			}
		}
		if v[2] > 1 || v[4] > 1 {
			return nil, fmt.Errorf("line %d: an accuracy above 1", len(rows)+2)
		}
		if v[0] != float64(len(rows)+1) {
			return nil, fmt.Errorf("line %d: epoch %s, want %d", len(rows)+2, record[0], len(rows)+1)
		}
		rows = append(rows, Row{Epoch: len(rows) + 1, Result: Result{v[1], v[2], v[7]},
			Validation: Result{v[3], v[4], v[8]}, LearningRate: v[5], ImagesPerSecond: v[6]})
	}
}
