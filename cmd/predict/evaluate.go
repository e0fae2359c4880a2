package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
)

// evaluation is how well a model does on a data set.
type evaluation struct {
	nn.Result
	Images  int      `json:"images"`
	Classes []string `json:"classes"`
	// Confusion counts the images by their class, the row, and the one they were taken for.
	Confusion [][]int `json:"confusion"`
}

// evaluate measures the model on the test images of the data that the command line names.
func evaluate(ctx context.Context, c *command, m *classifier) error {
	if c.confusion != "" {
		if err := atomicfile.Check(c.confusion); err != nil {
			return fmt.Errorf("--confusion %w: name a file in a folder that can be written to, or \"\" for none", err)
		}
	}
	d, err := cifar.Open(ctx, c.evaluate, run.NewReport(run.Defaults(), os.Stderr, c.verbose).Download)
	if err != nil {
		return cli.Interruption(ctx, err)
	}
	if c.limit > 0 {
		d.Test = d.Test.First(c.limit)
	}
	if err := m.sameClasses(d.Classes); err != nil {
		return err
	}
	e, err := m.evaluate(ctx, d.Validation(cifar.Normalization{Mean: m.mean, Std: m.std}))
	if err != nil {
		return cli.Interruption(ctx, err)
	}
	if err := e.write(os.Stdout, c.json); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if c.confusion == "" {
		return nil
	}
	if err := writePNG(c.confusion, e); err != nil {
		return fmt.Errorf("--confusion %w", err)
	}
	if !c.json {
		fmt.Printf("\nwhich class was taken for which: %s\n", c.confusion)
	}
	return nil
}

// sameClasses reports an error unless the data are of the classes that the model tells apart. One whose
// classes nobody has named takes the names of the data.
func (m *classifier) sameClasses(names []string) error {
	if len(names) != m.Classes {
		return fmt.Errorf("%s tells %d classes apart, the data have %d", m.name, m.Classes, len(names))
	}
	if !m.named {
		m.labels = names
	}
	for i, name := range names {
		if name != m.labels[i] {
			return fmt.Errorf("%s calls class %d %q, the data %q: name the classes of the data by --labels, or take other data",
				m.name, i, m.labels[i], name)
		}
	}
	return nil
}

// evaluate measures the model on images.
func (m *classifier) evaluate(ctx context.Context, data nn.Data) (*evaluation, error) {
	p, err := m.NewPredictor(min(fileBatch, max(data.Len(), 1)))
	if err != nil {
		return nil, err
	}
	e := &evaluation{Images: data.Len(), Classes: m.labels}
	for range m.labels {
		e.Confusion = append(e.Confusion, make([]int, m.Classes))
	}
	e.Result, err = p.EvaluateEach(ctx, data, func(labels, logits []float32) {
		for i, label := range labels {
			row := logits[i*m.Classes : (i+1)*m.Classes]
			taken := 0
			for j, v := range row {
				if v > row[taken] {
					taken = j
				}
			}
			e.Confusion[int(label)][taken]++
		}
	})
	if err == nil && e.Loss-e.Loss != 0 {
		err = errNotFinite
	}
	return e, err
}

// write prints the evaluation, as JSON or for a person.
func (e *evaluation) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(e)
	}
	fmt.Fprintf(out, "images    %d\nloss      %.4f\naccuracy  %.2f %%\n\n", e.Images, e.Loss, 100*e.Accuracy)
	width := len("class")
	for _, name := range e.Classes {
		width = max(width, utf8.RuneCountInString(printable(name)))
	}
	const row = "%-*s %7v %7v %8s %10s  %s\n"
	fmt.Fprintf(out, row, width, "class", "images", "found", "recall", "precision", "most often taken for")
	for i, name := range e.Classes {
		found, taken := e.Confusion[i][i], 0
		for _, other := range e.Confusion {
			taken += other[i]
		}
		all := sum(e.Confusion[i])
		if _, err := fmt.Fprintf(out, row, width, printable(name), all, found, share(found, all), share(found, taken), e.worst(i)); err != nil {
			return err
		}
	}
	return nil
}

// worst tells what a class was most often taken for, wrongly.
func (e *evaluation) worst(class int) string {
	row := slices.Clone(e.Confusion[class])
	row[class] = 0
	most := slices.Max(row)
	if most == 0 {
		return "-"
	}
	return fmt.Sprintf("%s (%d)", printable(e.Classes[slices.Index(row, most)]), most)
}

func sum(row []int) (n int) {
	for _, v := range row {
		n += v
	}
	return n
}

// share returns a part in per cent, or "-" of nothing.
func share(part, all int) string {
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(all))
}

// writePNG draws the confusion matrix to a file.
func writePNG(path string, e *evaluation) error {
	picture, err := drawConfusion(e)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err })
}
