package run

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/ops"
)

// lineInterval is the time between two lines of progress where there is no terminal.
const lineInterval = 5 * time.Second

// Report tells a person how a run goes: on a terminal with a bar, elsewhere in lines.
type Report struct {
	Settings
	out      *os.File
	verbose  bool // tell the settings too
	terminal bool
	bar      *progressbar.ProgressBar // of the epoch, or of a download; nil between them
	shown    time.Time                // the last line
	started  time.Time                // the program
	epochAt  time.Time                // the beginning of the epoch
}

// NewReport returns a report of a run with these settings; verbose makes it tell them all.
func NewReport(s Settings, out *os.File, verbose bool) *Report {
	now := time.Now()
	terminal := term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb" // which knows no way back in a line
	return &Report{Settings: s, out: out, verbose: verbose, terminal: terminal, shown: now, started: now}
}

// line prints a line with a heading.
func (r *Report) line(heading, format string, values ...any) {
	fmt.Fprintf(r.out, "%-9s %s\n", heading, fmt.Sprintf(format, values...))
}

// count tells how many there are of a thing.
func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// begin tells what is about to happen, with notes on the data.
func (r *Report) begin(b backend.Backend, dir *Folder, t *nn.Trainer, notes []string) {
	r.line("machine", "%s, %d threads, %s, %s", dir.Config.CPU, r.ThreadCount(), b.Name(), r.Precision)
	onCPU := strings.HasPrefix(b.Name(), "cpu/")
	if level, _ := ops.Best(); onCPU && r.Precision == "bf16" && level < ops.AVX512BF16 {
		r.line("note", "bf16 has no instructions here: it is emulated, slower than fp32")
	}
	if err := ops.AMXRefused(); onCPU && r.Precision == "bf16" && err != nil {
		r.line("note", "the system refuses AMX, which this processor has: bf16 is slower without: %v", err)
	}
	f := dir.Config.Facts
	r.line("model", "%s, %.1f million parameters", r.Model, float64(f.Trainable+f.NonTrainable)/1e6)
	r.line("data", "%s: %s to train on, %d to validate with, %s", f.Data, count(f.Images, "image", "images"), f.Validation, count(f.Classes, "class", "classes"))
	for _, note := range notes {
		r.line("note", "%s", note)
	}
	if t.Epoch > 0 && t.Epoch >= r.Epochs {
		r.line("training", "nothing is left to do: %s done", count(t.Epoch, "epoch is", "epochs are"))
	} else {
		r.line("training", "%s of %s of %s, learning rate %s", count(r.Epochs, "epoch", "epochs"),
			count(t.Steps(), "step", "steps"), count(t.Batch, "image", "images"), r.LR)
	}
	r.line("results", "%s", dir.Path)
	if dir.Config.Backend != b.Name() {
		r.line("note", "the run began on %s: elsewhere the last digits differ", dir.Config.Backend)
	}
	if r.verbose {
		text, _ := json.MarshalIndent(dir.Config, "", "  ") // numbers and strings
		r.line("settings", "%s", text)
	}
	if t.Step > 0 {
		r.line("resumed", "after epoch %d and %s", t.Epoch, count(t.EpochStep, "step", "steps"))
	}
	fmt.Fprintln(r.out)
	r.epochAt = time.Now()
}

// pretrained tells what came from a file of weights.
func (r *Report) pretrained(path string, loaded *keras.LoadSummary) {
	r.EndBar()
	r.line("weights", "%s", path)
	layers := map[string]bool{}
	var taken []string
	for _, name := range loaded.Loaded {
		if layer := name[:strings.LastIndex(name, "/")]; !layers[layer] {
			layers[layer], taken = true, append(taken, layer)
		}
	}
	r.line("", "taken: %s", some(taken))
	r.line("", "passed over, of other names: %s", some(loaded.Ignored))
	r.line("", "not in it, so drawn: %s", some(loaded.Missing))
	for _, sentence := range slices.Concat(loaded.Mismatched, loaded.NotFinite) {
		r.line("warning", "%s", sentence)
	}
}

// some lists names, or "nothing".
func some(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// step tells how far an epoch has come.
func (r *Report) step(p nn.Progress) {
	left := time.Duration(float64(p.Steps-p.Step) * float64(r.Batch) / p.ImagesPerSecond * float64(time.Second))
	then := left.Round(time.Second).String() + " left"
	if p.Step == p.Steps {
		then = "validating"
	}
	parts := []string{fmt.Sprintf("loss %.3f", p.Loss), fmt.Sprintf("accuracy %.1f %%", 100*p.Accuracy), then, fmt.Sprintf("%.0f images/s", p.ImagesPerSecond)}
	switch {
	case r.terminal:
		if r.bar == nil {
			r.bar = r.newBar(p.Steps)
		}
		parts = slices.Insert(parts, 0, fmt.Sprintf("%d/%d", p.Epoch, r.Epochs))
		room := r.columns() - len(fmt.Sprintf(" 100%%  (%d/%d)  ", p.Steps, p.Steps)) // which the bar makes itself as short as it must
		progressbar.OptionSetDescription(fitting(parts, room))(r.bar)                 // draws nothing, as Describe would
		r.bar.Set(p.Step)
	case time.Since(r.shown) >= lineInterval:
		r.shown = time.Now()
		fmt.Fprintf(r.out, "epoch %d/%d step %d/%d  %s\n", p.Epoch, r.Epochs, p.Step, p.Steps, strings.Join(parts, " "))
	}
}

// columns returns the width of the terminal.
func (r *Report) columns() int {
	if width, _, err := term.GetSize(int(r.out.Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// fitting joins the first parts, as many as there is room for: a line that wraps would stay on the terminal.
func fitting(parts []string, room int) string {
	text := ""
	for i, part := range parts {
		if i > 0 {
			part = " " + part
		}
		if len(text)+len(part) > room {
			break
		}
		text += part
	}
	return text
}

func (r *Report) newBar(steps int, options ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions(steps, append(options,
		progressbar.OptionSetWriter(r.out), progressbar.OptionUseANSICodes(true),
		progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionShowCount(),
		progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetWidth(20), progressbar.OptionSetTheme(progressbar.Theme{Saucer: "█", SaucerPadding: "░"}))...)
}

// Download tells how much of the data has come.
func (r *Report) Download(done, total int64) {
	const mega = 1e6
	switch {
	case r.terminal:
		if r.bar == nil {
			r.bar = r.newBar(int(total), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription("download"))
		}
		r.bar.Set64(done)
		if done == total {
			r.EndBar()
		}
	case time.Since(r.shown) >= lineInterval:
		r.shown = time.Now()
		r.line("download", "%.0f of %.0f MB", float64(done)/mega, float64(total)/mega)
	}
}

// EndBar takes the bar off the terminal, that of a download that broke too.
func (r *Report) EndBar() {
	if r.bar != nil {
		r.bar.Clear()
		r.bar = nil
	}
}

// epoch tells what an epoch has brought.
func (r *Report) epoch(row nn.Row) {
	r.EndBar()
	now := time.Now()
	left := now.Sub(r.epochAt) * time.Duration(r.Epochs-row.Epoch)
	fmt.Fprintf(r.out, "epoch %d/%d  loss %.4f  accuracy %.2f %%  val_loss %.4f  val_accuracy %.2f %%  %.0f images/s  %v left\n",
		row.Epoch, r.Epochs, row.Loss, 100*row.Accuracy, row.Validation.Loss, 100*row.Validation.Accuracy, row.ImagesPerSecond, left.Round(time.Second))
	r.shown, r.epochAt = now, now
}

// End tells what the run in dir has brought, and what the user types to go on to twice the epochs.
func (r *Report) End(dir *Folder, history []nn.Row, goOn string) {
	r.EndBar()
	fmt.Fprintln(r.out)
	if len(history) == 0 {
		r.line("done", "nothing: the run has no epochs")
		return
	}
	best := Best(history)
	r.line("done", "in %v; best val_accuracy %.2f %% in epoch %d", time.Since(r.started).Round(time.Second), 100*best.Validation.Accuracy, best.Epoch)
	r.line("results", "%s (the curves), %s (the weights)", dir.File(HistoryName), dir.File(CheckpointName))
	if _, err := os.Stat(r.Save); err == nil {
		what := "the model, for Keras and others"
		if r.SaveBest {
			what = "the model of the best epoch"
		}
		r.line("saved", "%s (%s)", r.Save, what)
	}
	r.line("go on", "%s --epochs %d", goOn, 2*len(history))
}
