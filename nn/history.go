package nn

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Row is what is known of an epoch when it is over.
type Row struct {
	Epoch           int     `json:"epoch"` // from 1
	Result                  // means over the epoch's images before each update, weighted by batch size
	Validation      Result  `json:"validation"`
	LearningRate    float64 `json:"lr"` // of the epoch's last step
	ImagesPerSecond float64 `json:"images_per_s"`
}

// WriteHistory writes a run's epochs as CSV, numbers in full.
func WriteHistory(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString("epoch,loss,accuracy,val_loss,val_accuracy,lr,images_per_s\n")
	for _, r := range rows {
		fmt.Fprint(&b, r.Epoch)
		for _, v := range []float64{r.Loss, r.Accuracy, r.Validation.Loss, r.Validation.Accuracy, r.LearningRate} {
			b.WriteString("," + strconv.FormatFloat(v, 'g', -1, 64))
		}
		fmt.Fprintf(&b, ",%.1f\n", r.ImagesPerSecond)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
