package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
)

const evaluateUsage = `Measure a model on the test images of a dataset: loss, accuracy, recall and
precision of each class, and the confusion matrix. If the model's file does not
record how pixels are prepared, the usual preparations are compared.

Usage: lamina evaluate MODEL [flags]

  lamina evaluate runs/vgg16-20260102-150405
  lamina evaluate model.lamina --data shapes --limit 100 --json

` + modelHelp

type evaluate struct {
	model
	data      string
	limit     int
	skipBad   bool
	confusion string
	json      bool
	tta       bool

	val  float64 // of the run whose dataset this is
	seed uint64
	own  bool // the dataset is that of the run
}

func newEvaluate() *evaluate {
	return &evaluate{model: model{Options: device.Defaults()}, confusion: "confusion.png"}
}

// command binds the flags to e, whose values are the defaults.
func (e *evaluate) command() *cli.Command {
	g := cli.NewGroup("Evaluation")
	g.StringVar(&e.data, "data", e.data, "`PATH` dataset, as for train --data (default that of the run, else CIFAR-10, downloaded)")
	g.IntVar(&e.limit, "limit", e.limit, "`N` use the first N images only")
	g.BoolVar(&e.skipBad, "skip-bad", e.skipBad, "leave out image files of a folder that cannot be read")
	g.StringVar(&e.confusion, "confusion", e.confusion,
		"`FILE` draw the confusion matrix to this PNG file; \"\" for none")
	g.BoolVar(&e.tta, "tta", e.tta, "average six views of each image: itself and its mirror image, each also moved by one pixel up "+
		"and left, and down and right (test-time augmentation, arXiv 2404.00498)")
	g.BoolVar(&e.json, "json", e.json, "print a JSON object")
	return &cli.Command{Name: "evaluate", Summary: "measure a model on a dataset", Usage: evaluateUsage,
		Flags: append([]cli.Group{g}, e.groups()...), Check: e.check, Run: e.run}
}

// check completes and checks the command line.
func (e *evaluate) check(f *pflag.FlagSet) error {
	return cmp.Or(oneModel(f), e.checkConfusion(), cli.AtLeast("limit", e.limit, 0), e.model.check(f))
}

// checkConfusion reports a name that may be that of another file, which would be overwritten.
func (e *evaluate) checkConfusion() error {
	if e.confusion == "" || filepath.Ext(e.confusion) == ".png" {
		return nil
	}
	return fmt.Errorf("--confusion %q: the name must end in .png", e.confusion)
}

func (e *evaluate) run(*cli.Call) error {
	ctx := cli.Context("stopping")
	if e.confusion != "" {
		if err := atomicfile.Check(e.confusion); err != nil {
			return fmt.Errorf("--confusion %w: name a file in a writable folder, or \"\" for none", err)
		}
	}
	if err := e.dataOfRun(); err != nil {
		return err
	}
	m, b, err := e.open("evaluate")
	if err != nil {
		return err
	}
	defer b.Close()
	defer m.Close()
	if e.data == "" { // a download that would be of no use
		if err := m.CheckClasses(cifar.Classes()); err != nil {
			return fmt.Errorf("without --data the dataset is CIFAR-10: %w: name another with --data", err)
		}
	}
	progress := cli.NewProgress(cli.Stderr)
	d, err := cifar.Open(ctx, e.data, cifar.Options{Progress: progress.Download, Decoded: progress.Images, SkipBad: e.skipBad, Final: true,
		Whole: !e.own, Val: e.val, Seed: e.seed,
		Height: m.Input()[0], Width: m.Input()[1], Resize: string(m.Resize()), TestLimit: e.limit})
	progress.EndBar()
	if err != nil {
		return cli.Interruption(ctx, err)
	}
	for _, note := range d.Notes {
		cli.Stderr.Printf("lamina evaluate: %s\n", note)
	}
	measure := m.Evaluate
	if e.tta {
		measure = func(ctx context.Context, d *cifar.Dataset) (*classify.Evaluation, error) {
			return m.EvaluateViews(ctx, d, nn.SixViews())
		}
	}
	result, err := measure(ctx, d)
	if errors.Is(err, classify.ErrClasses) {
		return fmt.Errorf("%w: name the dataset's classes with --labels, or use other data", err)
	}
	if err != nil {
		return cli.Interruption(ctx, err)
	}
	if m.Guessed().Preparation {
		const images = 1000
		if result.Preparations, err = m.ComparePreparations(ctx, d, images); err != nil {
			return cli.Interruption(ctx, err)
		}
	}
	if err := writeEvaluation(cli.Stdout, result, e.json); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	if e.confusion == "" {
		return nil
	}
	matrix := report.Confusion{Classes: result.Classes, Counts: result.Confusion,
		Title: fmt.Sprintf("accuracy %.2f %%, loss %.4f, %d images", 100*result.Accuracy, result.Loss, result.Images)}
	if err := atomicfile.Write(e.confusion, matrix.PNG); err != nil {
		return fmt.Errorf("--confusion %w", err)
	}
	if !e.json {
		cli.Stdout.Printf("\nconfusion matrix: %s\n", e.confusion)
	}
	return nil
}

// dataOfRun makes the dataset of a run the default for its model. Of that dataset, the images that
// trained the model are not measured.
func (e *evaluate) dataOfRun() error {
	if _, err := os.Stat(filepath.Join(e.path, run.ConfigName)); err != nil {
		return nil // not a run
	}
	config, err := run.ReadConfig(e.path)
	if err != nil && e.data != "" {
		return nil // it is not needed
	}
	if err != nil {
		return fmt.Errorf("the dataset of the run is unknown: %w, or name a dataset with --data", err)
	}
	s := config.Settings
	if e.data != "" {
		given, err := filepath.Abs(e.data)
		e.own = err == nil && given == s.Data
	} else {
		if s.Data != "" && s.Data != cifar.BuiltIn {
			if _, err := os.Stat(s.Data); err != nil {
				return fmt.Errorf("%s, the dataset of the run: %w: name it with --data", s.Data, infile.Cause(err))
			}
		}
		e.data, e.own, e.skipBad = s.Data, true, e.skipBad || s.SkipBad
	}
	if e.own {
		e.val, e.seed = float64(s.Val), s.Seed
	}
	return nil
}

// writeEvaluation prints an evaluation, as JSON or as a table.
func writeEvaluation(out io.Writer, e *classify.Evaluation, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(e)
	}
	fmt.Fprintf(out, "images    %d\nloss      %.4f\naccuracy  %.2f %%\n\n", e.Images, e.Loss, 100*e.Accuracy)
	matrix, width := report.Confusion{Counts: e.Confusion}, len("class")
	for _, name := range e.Classes {
		matrix.Classes = append(matrix.Classes, printable(name))
		width = max(width, utf8.RuneCountInString(printable(name)))
	}
	const row = "%-*s %7s %7s %8s %10s  %s\n"
	t := matrix.Table()
	fmt.Fprintf(out, row, width, t.Head[0], t.Head[1], t.Head[2], t.Head[3], t.Head[4], t.Head[5])
	for _, r := range t.Rows {
		_, err := fmt.Fprintf(out, row, width, r[0].Text, r[1].Text, r[2].Text, r[3].Text, r[4].Text, r[5].Text)
		if err != nil {
			return err
		}
	}
	return writePreparations(out, e.Preparations)
}

// writePreparations prints the accuracy of each preparation of pixels, if any were compared.
func writePreparations(out io.Writer, all []classify.Preparation) error {
	if len(all) == 0 {
		return nil
	}
	width := 0
	for _, p := range all {
		width = max(width, len(p.Flags))
	}
	fmt.Fprintf(out, "\nThe file does not record how pixels are prepared. On the first %d images:\n\n%-*s  accuracy\n",
		all[0].Images, width, "preparation")
	for _, p := range all {
		assumed := ""
		if p.Assumed {
			assumed = "  assumed above"
		}
		if _, err := fmt.Fprintf(out, "%-*s  %6.2f %%%s\n", width, p.Flags, 100*p.Accuracy, assumed); err != nil {
			return err
		}
	}
	return nil
}
