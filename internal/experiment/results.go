package experiment

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/digits"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
)

// result is the state of a run, from its folder.
type result struct {
	name, reference, state string
	config                 run.Config
	history                []nn.Row
	saved                  int64 // bytes of the model's file
}

// read reads the folder of a run.
func read(name, path string) (result, error) {
	r := result{name: name}
	var err error
	if r.config, r.history, err = run.Read(path); err != nil {
		return r, err
	}
	if info, err := os.Stat(r.config.Settings.Save); err == nil {
		r.saved = info.Size()
	}
	r.state = "finished"
	if n, epochs := len(r.history), r.config.Settings.Epochs; n < epochs {
		r.state = fmt.Sprintf("%d of %d epochs", n, epochs)
	}
	return r, nil
}

// results returns the state of the runs of an experiment.
func (p *Plan) results(works []*work) []result {
	var found []result
	for _, w := range works {
		r := result{name: w.name, state: "not started"}
		if w.begun() {
			var err error
			if r, err = read(w.name, w.path); err != nil {
				r.state = err.Error()
			}
		}
		if w.failed != nil {
			r.state += ", failed: " + w.failed.Error()
		}
		r.reference = w.reference
		found = append(found, r)
	}
	if p.sorted {
		slices.SortStableFunc(found, func(a, b result) int { return cmp.Compare(b.best(), a.best()) })
	}
	return found
}

// best returns the best validation accuracy, -1 before the first epoch.
func (r *result) best() float64 {
	if len(r.history) == 0 {
		return -1
	}
	return run.Best(r.history).Validation.Accuracy
}

// The files of an experiment, and of each of its runs.
const (
	reportName = "REPORT.html"
	modelName  = "model.h5"
)

// write writes the charts and the page of runs to a folder.
func write(dir, title, about string, runs []result) error {
	page := report.Page{Title: title, Charts: report.Charts(), Parts: []report.Part{resultTable(runs)}}
	for _, t := range settingsTables(runs) {
		page.Parts = append(page.Parts, t)
	}
	if about != "" {
		page.Lead = []string{about}
	}
	for _, r := range runs {
		page.Curves = append(page.Curves, report.Curve{Name: r.name, History: r.history})
	}
	for _, chart := range page.Charts {
		for ending, draw := range map[string]func(io.Writer, []report.Curve) error{".png": chart.PNG, ".csv": chart.CSV} {
			if err := save(dir, chart.Name+ending, func(w io.Writer) error { return draw(w, page.Curves) }); err != nil {
				return err
			}
		}
	}
	return save(dir, reportName, page.HTML)
}

// save writes a file in the folder of the experiment.
func save(dir, name string, f func(io.Writer) error) error {
	if err := atomicfile.Write(filepath.Join(dir, name), f); err != nil {
		return fmt.Errorf("--out %w: name another folder", err)
	}
	return nil
}

// summarize prints the results of runs and the path of their page.
func summarize(runs []result, dir string) error {
	cli.Stdout.Printf("\n")
	if err := printTable(resultTable(runs)); err != nil {
		return err
	}
	cli.Stdout.Printf("\nreport    %s\n", filepath.Join(dir, reportName))
	return nil
}

func printTable(t report.Table) error {
	w := tabwriter.NewWriter(cli.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(t.Head, "\t"))
	for _, row := range t.Rows {
		var words []string
		for _, cell := range row {
			words = append(words, cli.OneLine(cell.Text))
		}
		fmt.Fprintln(w, strings.Join(words, "\t"))
	}
	return w.Flush()
}

// resultTable returns the results of each run.
func resultTable(runs []result) report.Table {
	t := report.Table{Title: "Results", Head: []string{"run", "validation accuracy", "best", "in epoch",
		"validation cross-entropy", "training accuracy", "training cross-entropy", "penalty", "training time", "parameters",
		"saved model"},
		Notes: []string{"Values are those of the last epoch. The penalty is that of weight decay; a run of an older version has it in " +
			"the cross-entropy. " +
			"Training time excludes validation. The saved model is " + modelName + ", for Keras."}}
	referred := slices.ContainsFunc(runs, func(r result) bool { return r.reference != "" })
	if referred {
		t.Head = append(t.Head, "reference")
		t.Notes = append(t.Notes, "The experiments are those of a Keras program. The reference is its author's result, in 200 epochs on all of CIFAR-10.")
	}
	top := 0.0
	for _, r := range runs {
		top = max(top, r.best())
	}
	for _, r := range runs {
		row := []report.Cell{report.Text(r.name)}
		if len(r.history) == 0 {
			for range 8 {
				row = append(row, report.Number("–"))
			}
		} else {
			last, best := r.history[len(r.history)-1], run.Best(r.history)
			peak := report.Number(percent(best.Validation.Accuracy))
			peak.Best = best.Validation.Accuracy == top
			row = append(row, report.Number(percent(last.Validation.Accuracy)), peak,
				report.Number(fmt.Sprint(best.Epoch)),
				crossEntropy(last.Validation), report.Number(percent(last.Accuracy)), crossEntropy(last.Result),
				penalty(last.Validation), report.Time(r.duration()))
		}
		row = append(row, report.Number(r.parameters()), report.Number(r.size()))
		if referred {
			row = append(row, report.Text(r.reference))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }

func loss(value float64) string {
	if value >= 1e6 { // a run that diverged
		return fmt.Sprintf("%.3e", value)
	}
	return fmt.Sprintf("%.4f", value)
}

// crossEntropy returns the cross-entropy or, of a version that did not write it, the whole loss.
func crossEntropy(r nn.Result) report.Cell {
	return report.Number(loss(cmp.Or(r.CrossEntropy, r.Loss)))
}

func penalty(r nn.Result) report.Cell {
	if r.CrossEntropy == 0 {
		return report.Number("–")
	}
	return report.Number(loss(r.Penalty()))
}

// duration returns the training time.
func (r result) duration() string {
	if r.config.Facts.Images == 0 {
		return "–"
	}
	seconds := 0.0
	for _, row := range r.history {
		seconds += float64(r.config.Facts.Images) / row.ImagesPerSecond
	}
	if seconds > time.Duration(math.MaxInt64).Seconds() { // a history may claim any speed
		return "–"
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

func (r result) parameters() string {
	if n := r.config.Facts.Trainable + r.config.Facts.NonTrainable; n > 0 {
		return digits.Group(n)
	}
	return "–"
}

func (r result) size() string {
	if r.saved == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f MB", float64(r.saved)/1e6)
}

// settingsTables returns a table of the settings in which runs differ, and one of those that all
// have, with their data and machines.
func settingsTables(runs []result) []report.Table {
	own := report.Table{Title: "Settings by run", Head: []string{"run", "state"}}
	common := report.Table{Title: "Settings of all runs", Head: []string{"setting", "value"}}
	var begun []result
	for _, r := range runs {
		if r.config.Settings.Model != "" {
			begun = append(begun, r)
		}
	}
	varied, defaults := map[string]bool{}, run.Defaults()
	for _, r := range begun {
		for _, d := range differences(begun[0].config.Settings, r.config.Settings) {
			varied[d.flag] = true
		}
	}
	for _, f := range run.Shown(&defaults) {
		if varied[f.Name] {
			own.Head = append(own.Head, f.Name)
		}
	}
	for _, r := range runs {
		row := []report.Cell{report.Text(r.name), report.Text(r.state)}
		for _, f := range run.Shown(&r.config.Settings) {
			switch {
			case !varied[f.Name]:
			case r.config.Settings.Model == "":
				row = append(row, report.Text("–"))
			default:
				row = append(row, report.Text(run.Value(f)))
			}
		}
		own.Rows = append(own.Rows, row)
	}
	if len(begun) == 0 {
		return []report.Table{own}
	}
	for _, f := range run.Shown(&begun[0].config.Settings) {
		if !varied[f.Name] {
			common.Rows = append(common.Rows, []report.Cell{report.Text(f.Name), report.Text(run.Value(f))})
		}
	}
	var data, machines []string
	for _, r := range begun {
		if f := r.config.Facts; f.Images > 0 {
			data = append(data, f.String())
		}
		machines = append(machines, r.config.Machine())
	}
	for _, list := range []struct {
		what  string
		words []string
	}{{"data", data}, {"machine", machines}} {
		if words := distinct(list.words); len(words) > 0 {
			common.Rows = append(common.Rows, []report.Cell{report.Text(list.what), report.Text(strings.Join(words, "; "))})
		}
	}
	return []report.Table{own, common}
}

// setting returns the value of a flag.

func distinct(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// difference is a flag of which two settings have different values.
type difference struct{ flag, a, b string }

func differences(a, b run.Settings) (all []difference) {
	other := cli.Union(b.Flags())
	cli.Union(a.Flags()).VisitAll(func(f *pflag.Flag) {
		if v, w := f.Value.String(), other.Lookup(f.Name).Value.String(); v != w {
			all = append(all, difference{f.Name, v, w})
		}
	})
	return all
}
