package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/ops"
)

// printSteps prints for each network where the time of a training step goes, and beside it that
// of an inference.
func printSteps(level ops.Level, p peak, commands [][]string, o *options) error {
	for _, model := range o.stepModels {
		net, err := buildVGG(model)
		if err != nil {
			return err
		}
		var best [len(passes)]*profile         // the fastest step of all runs
		var programs [len(passes)][]*contender // ours, then the peers'
		for i, pass := range passes {
			programs[i] = append([]*contender{{}}, peers(commands, model, pass)...)
		}
		for range o.runs {
			for i, pass := range passes {
				run, r, err := profileRun(level, net, pass, o)
				if err != nil {
					return err
				}
				if best[i] == nil || run.fastest < best[i].fastest {
					best[i] = run
				}
				programs[i][0].count(r)
				for _, c := range programs[i][1:] {
					if err := c.turn(o); err != nil {
						return err
					}
				}
			}
		}
		fmt.Printf("\nTraining step of %s, batch %d, %v, %s, and inference: the fastest step in %d × %v\n",
			model, o.batch, level, cores(o.threads), o.runs, runTime)
		fmt.Println("(operations are those on pixels of the image, not on its padding, done the direct way: Winograd does")
		fmt.Println("fewer and may pass the peak; MB are those that must move, each operand once, also where caches hold them)")
		t := newStepTable(best[0], best[1], p.allCores)
		t.print(os.Stdout)
		printMeans(os.Stdout, programs[0], programs[1], o.batch)
	}
	return nil
}

// profileRun profiles a run of one of passes. The rate is that of the whole run.
func profileRun(level ops.Level, net *nn.Network, pass string, o *options) (*profile, result, error) {
	b, err := openTuned(level, o)
	if err != nil {
		return nil, result{}, err
	}
	defer b.Close()
	p := newProfile(b, net, o.precision)
	rate, err := imagesPerSecond(p, net, pass, o.batch, runTime)
	return p, result{Framework: "lamina " + b.Name(), ImagesPerSecond: rate}, err
}

// stepTable is a training step by its calls, with what the same calls cost in inference.
type stepTable struct {
	calls []stepRow
	whole stepRow // only its times
	peak  float64 // GFLOP/s
}

type stepRow struct {
	name
	train, infer cost
}

// newStepTable joins two profiles of a network. What a layer has in inference only comes last of it.
func newStepTable(train, infer *profile, peak float64) *stepTable {
	t := &stepTable{peak: peak, whole: stepRow{
		train: cost{seconds: train.fastest.Seconds()}, infer: cost{seconds: infer.fastest.Seconds()}}}
	names, costs := train.costs()
	for i, n := range names {
		t.calls = append(t.calls, stepRow{name: n, train: costs[i]})
	}
	names, costs = infer.costs()
	for i, n := range names {
		at := slices.IndexFunc(t.calls, func(c stepRow) bool { return c.name == n })
		if at < 0 {
			for j, c := range t.calls {
				if c.layer == n.layer {
					at = j + 1
				}
			}
			t.calls = slices.Insert(t.calls, max(at, 0), stepRow{name: n})
		}
		t.calls[max(at, 0)].infer = costs[i]
	}
	return t
}

// sum adds the calls that belong to n, in which an empty field stands for any.
func (t *stepTable) sum(n name) stepRow {
	s := stepRow{name: n}
	for _, c := range t.calls {
		if (n.kind == "" || n.kind == c.kind) && (n.pass == "" || n.pass == c.pass) {
			s.train.add(c.train)
			s.infer.add(c.infer)
		}
	}
	return s
}

// byKind returns the sums of each kind and, where it has several, of each of its passes.
func (t *stepTable) byKind() (rows []stepRow) {
	passesOf := map[string][]string{}
	var kinds []string
	for _, c := range t.calls {
		if passesOf[c.kind] == nil {
			kinds = append(kinds, c.kind)
		}
		if !slices.Contains(passesOf[c.kind], c.pass) {
			passesOf[c.kind] = append(passesOf[c.kind], c.pass)
		}
	}
	for _, kind := range kinds {
		rows = append(rows, t.sum(name{kind: kind}))
		if len(passesOf[kind]) == 1 {
			continue
		}
		for _, pass := range passesOf[kind] {
			rows = append(rows, t.sum(name{kind: kind, pass: pass}))
		}
	}
	return rows
}

// unexplained returns the time of the step outside all calls.
func (t *stepTable) unexplained() stepRow {
	sum := t.sum(name{})
	return stepRow{
		train: cost{seconds: t.whole.train.seconds - sum.train.seconds},
		infer: cost{seconds: t.whole.infer.seconds - sum.infer.seconds},
	}
}

const stepNames = "%-18s  %-10s  %-22s  %-15s"

func (t *stepTable) print(w io.Writer) {
	header := fmt.Sprintf(stepNames+"  %8s  %5s  %12s  %7s  %6s  %8s  %5s  %12s", "layer", "kind", "", "pass",
		"ms", "share", "GFLOP/s peak", "MB", "GB/s", "infer ms", "share", "GFLOP/s peak")
	fmt.Fprintln(w, header)
	for _, c := range t.calls {
		t.line(w, c)
	}
	sum, whole, rest := t.sum(name{}), t.whole, t.unexplained()
	sum.layer, whole.layer, rest.layer = "sum", "whole step", "unexplained"
	for _, r := range []stepRow{sum, whole, rest} {
		t.line(w, r)
	}
	fmt.Fprintf(w, "\n%s\n", header)
	for _, r := range t.byKind() {
		t.line(w, r)
	}
}

// line prints a row.
func (t *stepTable) line(w io.Writer, r stepRow) {
	line := fmt.Sprintf(stepNames, r.layer, r.kind, r.detail, r.pass)
	if r.train.seconds > 0 {
		line += t.times(r.train, t.whole.train.seconds)
	} else {
		line += fmt.Sprintf("  %29s", "")
	}
	if r.train.bytes > 0 {
		line += fmt.Sprintf("  %7.1f  %6.1f", r.train.bytes/1e6, r.train.bytes/1e9/r.train.seconds)
	} else {
		line += fmt.Sprintf("  %7s  %6s", "", "")
	}
	if r.infer.seconds > 0 {
		line += t.times(r.infer, t.whole.infer.seconds)
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// times prints the time of a cost and what follows from it, given the time of the whole step.
func (t *stepTable) times(c cost, whole float64) string {
	rate := ""
	if c.flop > 0 {
		rate = share(c.flop/1e9/c.seconds, t.peak)
	}
	return fmt.Sprintf("  %8.2f  %4.1f%%  %12s", 1e3*c.seconds, 100*c.seconds/whole, rate)
}

// printMeans prints the mean time of a step of the best run of each program, ours first, and how many
// times as long as ours those of the others are.
func printMeans(w io.Writer, train, infer []*contender, batch int) {
	fmt.Fprintf(w, "\n%-44s  %8s  %7s  %8s  %7s\n", "mean step of the best run", "ms", "ratio", "infer ms", "ratio")
	for i := range train {
		line := fmt.Sprintf("%-44s", train[i].label())
		for _, programs := range [][]*contender{train, infer} {
			ours, theirs := programs[0].best.ImagesPerSecond, programs[i].best.ImagesPerSecond
			ratio := ""
			if i > 0 {
				ratio = fmt.Sprintf("%.2f x", ours/theirs)
			}
			line += fmt.Sprintf("  %8.1f  %7s", 1e3*float64(batch)/theirs, ratio)
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}
