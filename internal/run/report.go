package run

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"path/filepath"
	"time"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
)

// ReportName is the page of a run, in its folder.
const ReportName = "REPORT.html"

// reporter keeps the page of a run up to date.
type reporter struct {
	dir     *Folder
	data    *cifar.Dataset
	trainer *nn.Trainer
	show    func(page []byte) // nil for nothing

	seen    int // images of the validation that runs
	current measured
	best    measured // of the best epoch, as far as that is known
	failed  error    // to store best

	wrong   report.Gallery // of the epoch drawn
	drawn   int
	sheet   report.Gallery
	stale   bool // the page lacks an epoch
	written time.Time
	took    time.Duration // to write
}

// newReporter returns the reporter of a trainer, which sees training images as augmented yields
// them.
func newReporter(dir *Folder, data *cifar.Dataset, t *nn.Trainer, augmented nn.Data, show func([]byte)) (
	*reporter, error) {
	r := &reporter{dir: dir, data: data, trainer: t, show: show}
	r.best = readMeasured(dir.File(validationName), data.Test.Labels, len(data.Classes))
	return r, r.drawSheet(augmented)
}

// batch takes the logits of a batch of the validation. That of the best epoch so far is stored
// before the checkpoint, so that a run resumed from there has it.
func (r *reporter) batch(labels, logits []float32) {
	n := len(r.data.Classes)
	if r.seen == 0 {
		r.current = newMeasured(r.trainer.Epoch+1, n)
	}
	for i, class := range labels {
		r.current.add(r.seen, int(class), logits[i*n:(i+1)*n])
		r.seen++
	}
	if r.seen < r.data.Test.Len() {
		return
	}
	r.seen = 0
	accuracy := float64(r.current.correct()) / float64(r.data.Test.Len())
	if h := r.trainer.History; len(h) == 0 || accuracy > Best(h).Validation.Accuracy {
		r.best = r.current
		r.failed = r.best.write(r.dir.File(validationName))
	}
}

// epoch adds the epoch that has just ended. Where epochs are short it leaves out some, so that the
// page takes less than a hundredth of the time.
func (r *reporter) epoch() error {
	if r.failed != nil {
		return r.failed
	}
	r.stale = true
	if time.Since(r.written) < 100*r.took {
		return nil
	}
	return r.write()
}

// flush writes the page if it lacks an epoch.
func (r *reporter) flush() error {
	if !r.stale {
		return nil
	}
	return r.write()
}

// write writes the page.
func (r *reporter) write() error {
	began := time.Now()
	if err := r.drawWrong(); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := r.page().HTML(&b); err != nil {
		return err
	}
	err := atomicfile.Write(r.dir.File(ReportName), func(w io.Writer) error {
		_, err := w.Write(b.Bytes())
		return err
	})
	if err != nil {
		return err
	}
	if r.show != nil {
		r.show(b.Bytes())
	}
	r.written = time.Now()
	r.stale, r.took = false, r.written.Sub(began)
	return nil
}

// page returns the page of the epochs so far.
func (r *reporter) page() report.Page {
	c, history := &r.dir.Config, r.trainer.History
	p := report.Page{Title: filepath.Base(r.dir.absolute()), Charts: report.RunCharts(),
		Lead: []string{fmt.Sprintf("%s on %s.", c.Settings.Model, c.Facts)}}
	if len(history) == 0 {
		p.Lead = append(p.Lead, "No epoch has finished yet.")
	} else {
		best := Best(history)
		p.Lead = append(p.Lead, fmt.Sprintf("%d of %s, best validation accuracy %.2f %% in epoch %d.",
			len(history), count(c.Settings.Epochs, "epoch", "epochs"), 100*best.Validation.Accuracy, best.Epoch))
		p.Curves = report.RunCurves(history)
		if r.best.Epoch == best.Epoch {
			p.Parts = r.bestParts()
		} else {
			p.Lead = append(p.Lead, "The folder of the run lacks the results of that epoch by class.")
		}
	}
	settings := report.Table{Title: "Settings", Head: []string{"setting", "value"}}
	for _, f := range Shown(&c.Settings) {
		settings.Rows = append(settings.Rows, []report.Cell{report.Text(f.Name), report.Text(Value(f))})
	}
	settings.Rows = append(settings.Rows, []report.Cell{report.Text("machine"), report.Text(c.Machine())})
	p.Parts = append(p.Parts, r.sheet, settings)
	return p
}

// bestParts returns what the page shows of the best epoch.
func (r *reporter) bestParts() []report.Part {
	in := fmt.Sprintf(", epoch %d", r.best.Epoch)
	matrix := &report.Confusion{Title: "Confusion matrix" + in,
		Classes: r.data.Classes, Counts: r.best.Confusion}
	classes := matrix.Table()
	classes.Title += in
	parts := []report.Part{classes, matrix}
	if len(r.wrong.Images) > 0 {
		parts = append(parts, r.wrong)
	}
	return parts
}

// drawWrong encodes the images that the model of the best epoch got wrong, once.
func (r *reporter) drawWrong() error {
	if r.drawn == r.best.Epoch {
		return nil
	}
	r.drawn = r.best.Epoch
	r.wrong = report.Gallery{Title: fmt.Sprintf("Most confident mistakes, epoch %d", r.best.Epoch),
		Notes: []string{"Validation images with the class they were taken for, its probability, " +
			"and below the right class."}}
	for _, w := range r.best.Wrong {
		m, err := r.data.Test.Image(w.Image)
		if err != nil {
			return err
		}
		shown, err := report.NewImage(m, r.data.Classes[r.data.Test.Labels[w.Image]])
		if err != nil {
			return err
		}
		shown.Wrong = fmt.Sprintf("%s %.1f\u00a0%%", r.data.Classes[w.Predicted], 100*w.Confidence)
		r.wrong.Images = append(r.wrong.Images, shown)
	}
	return nil
}

// drawSheet encodes the first training images as the network sees them.
func (r *reporter) drawSheet(augmented nn.Data) error {
	const images = 16
	s := &r.dir.Config.Settings
	r.sheet = report.Gallery{Title: "Training images, as the network sees them",
		Notes: []string{fmt.Sprintf("The first images of epoch 1. Augmentation: %s.", s.Augment)}}
	h, w, channels := augmented.Shape()
	for pixels, labels := range augmented.Batches(0, 0, images) {
		for i, class := range labels {
			m := image.NewNRGBA(image.Rect(0, 0, w, h))
			for j, v := range pixels[i*h*w*channels : (i+1)*h*w*channels] {
				c := j % channels
				m.Pix[j/channels*4+c] = uint8(min(max(v*s.Std[c]+s.Mean[c], 0), 255) + 0.5)
			}
			for j := 3; j < len(m.Pix); j += 4 {
				m.Pix[j] = 255
			}
			shown, err := report.NewImage(m, r.data.Classes[int(class)])
			if err != nil {
				return err
			}
			r.sheet.Images = append(r.sheet.Images, shown)
		}
		break
	}
	return nil
}
