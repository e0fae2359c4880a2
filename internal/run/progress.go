package run

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
)

// Progress prints how a run proceeds.
type Progress struct {
	*cli.Progress
	settings Settings
	verbose  bool      // print the settings too
	started  time.Time // the run
	epochAt  time.Time // the start of the epoch
}

// NewProgress returns the progress of a run, printed to out.
func NewProgress(s Settings, out *cli.Output, verbose bool) *Progress {
	return &Progress{Progress: cli.NewProgress(out), settings: s, verbose: verbose, started: time.Now()}
}

// count returns a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// begin prints what the run is about to do, with notes on the data.
func (p *Progress) begin(b backend.Backend, dir *Folder, t *nn.Trainer, notes []string) {
	s := &p.settings
	p.Line("machine", "%s, %s, %s, %s", dir.Config.CPU, count(s.ThreadCount(), "thread", "threads"), b.Name(), s.Precision)
	for _, note := range s.Notes(b) {
		p.Line("note", "%s", note)
	}
	f := dir.Config.Facts
	p.Line("model", "%s, %.1f million parameters", s.Model, float64(f.Trainable+f.NonTrainable)/1e6)
	p.Line("data", "%s: %s for training, %d for validation, %s", f.Data, count(f.Images, "image", "images"),
		f.Validation, count(f.Classes, "class", "classes"))
	for _, note := range notes {
		p.Line("note", "%s", note)
	}
	if t.Epoch > 0 && (t.Epoch >= s.Epochs || s.impatient(t.History)) {
		p.Line("training", "nothing left to do: %s done", count(t.Epoch, "epoch is", "epochs are"))
	} else {
		p.Line("training", "%s of %s of %s, learning rate %s", count(s.Epochs, "epoch", "epochs"),
			count(t.Steps(), "step", "steps"), count(t.Batch, "image", "images"), s.LR)
	}
	p.Line("results", "%s", dir.Path)
	if dir.Config.Backend != b.Name() {
		p.Line("note", "the run began on %s: on another backend or ISA level the last digits differ",
			dir.Config.Backend)
	}
	if p.verbose {
		text, _ := json.MarshalIndent(dir.Config, "", "  ") // numbers and strings cannot fail
		p.Printf("settings  %s\n", text)
	}
	switch {
	case t.EpochStep > 0:
		p.Line("resumed", "after %s of epoch %d", count(t.EpochStep, "step", "steps"), t.Epoch+1)
	case t.Epoch > 0:
		p.Line("resumed", "after epoch %d", t.Epoch)
	}
	if t.Step > 0 {
		for _, result := range []struct{ flag, path string }{{"tensorboard", s.TensorBoard}, {"save", s.Save}} {
			if result.path != "" && !dir.contains(result.path) {
				p.Line("note", "--%s is outside the folder of the run: %s", result.flag, result.path)
			}
		}
	}
	p.Printf("\n")
	p.epochAt = time.Now()
}

// pretrained prints which weights come from a file.
func (p *Progress) pretrained(path string, loaded *keras.LoadSummary) {
	p.Line("weights", "%s", path)
	layers := map[string]bool{}
	var taken []string
	for _, name := range loaded.Loaded {
		if layer := name[:strings.LastIndex(name, "/")]; !layers[layer] {
			layers[layer], taken = true, append(taken, layer)
		}
	}
	p.Line("", "loaded: %s", list(taken))
	p.Line("", "unused (not in this network): %s", list(loaded.Ignored))
	p.Line("", "initialized randomly (not in the file): %s", list(loaded.Missing))
	for _, sentence := range slices.Concat(loaded.Mismatched, loaded.NotFinite) {
		p.Line("warning", "%s", sentence)
	}
}

// list joins names, or returns "none".
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// step shows how far an epoch has come.
func (p *Progress) step(s nn.Progress) {
	left := time.Duration(float64(s.Steps-s.Step) * float64(p.settings.Batch) / s.ImagesPerSecond * float64(time.Second))
	then := left.Round(time.Second).String() + " left"
	if s.Step == s.Steps {
		then = "validating"
	}
	p.Steps(s.Step, s.Steps, fmt.Sprintf("epoch %d/%d", s.Epoch, p.settings.Epochs), losses(s.Result, 3),
		fmt.Sprintf("accuracy %.1f %%", 100*s.Accuracy), then, fmt.Sprintf("%.0f images/s", s.ImagesPerSecond))
}

// epoch prints the results of an epoch.
func (p *Progress) epoch(row nn.Row) {
	now := time.Now()
	left := now.Sub(p.epochAt) * time.Duration(p.settings.Epochs-row.Epoch)
	p.Printf("epoch %d/%d  %s  accuracy %.2f %%  validation %s  accuracy %.2f %%  %.0f images/s  %v left\n",
		row.Epoch, p.settings.Epochs, losses(row.Result, 4), 100*row.Accuracy, crossEntropy(row.Validation, 4),
		100*row.Validation.Accuracy, row.ImagesPerSecond, left.Round(time.Second))
	p.epochAt = now
}

// losses returns the cross-entropy and the penalty of weight decay.
func losses(r nn.Result, digits int) string {
	text := crossEntropy(r, digits)
	if penalty := r.Penalty(); penalty > 0 {
		text += fmt.Sprintf(" + penalty %.*f", digits, penalty)
	}
	return text
}

func crossEntropy(r nn.Result, digits int) string {
	if r.CrossEntropy == 0 { // unknown: an older version began the epoch
		return fmt.Sprintf("loss %.*f", digits, r.Loss)
	}
	return fmt.Sprintf("cross-entropy %.*f", digits, r.CrossEntropy)
}

// End prints the results of the run in dir, and the command that trains for twice as many epochs.
// views is the result with several views of each image, nil if that was not measured. A run by a
// recipe has one line.
func (p *Progress) End(dir *Folder, history []nn.Row, views *nn.Result, resume string) {
	p.Printf("\n")
	if len(history) == 0 {
		p.Line("done", "nothing: the run has no epochs")
		return
	}
	if p.settings.Recipe != "" {
		last := history[len(history)-1].Validation
		if p.settings.Patience > 0 {
			last = Best(history).Validation
		}
		if views != nil {
			last = *views
		}
		p.Line("done", "%s", summaryOf(last.Accuracy, views != nil, time.Since(p.started).Minutes(), dir.Path))
		return
	}
	if views != nil {
		p.Line("views", "accuracy %.2f %% with six views of each image", 100*views.Accuracy)
	}
	best := Best(history)
	p.Line("done", "in %v; best validation accuracy %.2f %% in epoch %d", time.Since(p.started).Round(time.Second),
		100*best.Validation.Accuracy, best.Epoch)
	p.Line("report", "%s", dir.File(ReportName))
	p.Line("results", "%s (the curves), %s (the weights)", dir.File(HistoryName), dir.File(CheckpointName))
	if _, err := os.Stat(p.settings.Save); err == nil {
		what := "the model, for Keras and others"
		if p.settings.SaveBest {
			what = "the model of the best epoch"
		}
		p.Line("saved", "%s (%s)", p.settings.Save, what)
	}
	p.Line("continue", "%s --epochs %d", resume, 2*len(history))
}
