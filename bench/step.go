package bench

import (
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/ops"
)

// printSteps prints for each network where the time of a training step goes, beside that of an
// inference.
func printSteps(out *output, level ops.Level, p peak, all []peer, o *Options) error {
	all = slices.DeleteFunc(slices.Clone(all), peer.runsONNX) // they do not train
	for _, model := range o.StepModels {
		net, err := buildNetwork(model)
		if err != nil {
			return err
		}
		var best [len(passes)]*profile         // the fastest step of all runs
		var programs [len(passes)][]*contender // ours, then the peers'
		for i, pass := range passes {
			others, err := peers(all, o, model, pass)
			if err != nil {
				return err
			}
			programs[i] = append([]*contender{{}}, others...)
		}
		for range o.Runs {
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
		out.title(fmt.Sprintf("Training step of %s, batch %d, %v, %s, and inference: the fastest step in %d × %v",
			model, o.Batch, level, cores(o.Threads), o.Runs, runTime),
			"operations are those of the direct algorithm without padding: Winograd needs fewer and may exceed\n"+
				"the peak; MB is the least traffic, each operand once, also where caches hold it")
		newStepTable(best[0], best[1], p.allCores).print(out)
		printMeans(out, programs[0], programs[1], o.Batch)
	}
	return nil
}

// profileRun profiles a run of a pass. The rate is that of the whole run.
func profileRun(level ops.Level, net *nn.Network, pass string, o *Options) (*profile, result, error) {
	b, err := openTuned(level, o)
	if err != nil {
		return nil, result{}, err
	}
	defer b.Close()
	p := newProfile(b, net, o.Precision)
	rate, err := imagesPerSecond(p, net, pass, o.Batch, runTime)
	return p, result{Framework: "lamina " + b.Name(), ImagesPerSecond: rate}, err
}

// stepTable is the cost of a training step by its calls, and that of the same calls in inference.
type stepTable struct {
	calls []stepRow
	whole stepRow // only its times
	peak  float64 // GFLOP/s
}

type stepRow struct {
	name
	train, infer cost
}

// newStepTable joins two profiles of a network. Calls of a layer in inference only come last.
func newStepTable(train, infer *profile, peak float64) *stepTable {
	t := &stepTable{peak: peak, whole: stepRow{
		train: cost{seconds: train.seconds()}, infer: cost{seconds: infer.seconds()}}}
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

// sum adds the calls that match n, in which an empty field matches all.
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

// byKind returns the sums of each kind and, if it has several, of each of its passes.
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

func (t *stepTable) print(out *output) {
	rows := t.begin(out)
	for _, c := range t.calls {
		t.add(rows, c)
	}
	sum, whole, rest := t.sum(name{}), t.whole, t.unexplained()
	sum.layer, whole.layer, rest.layer = "sum", "whole step", "unexplained"
	for _, r := range []stepRow{sum, whole, rest} {
		t.add(rows, r)
	}
	fmt.Fprintln(out)
	rows = t.begin(out)
	for _, r := range t.byKind() {
		t.add(rows, r)
	}
}

// begin begins a table of rows.
func (t *stepTable) begin(out *output) *table {
	return out.table(text("layer", 18), text("kind", 10), text("", 22), text("pass", 15),
		number("ms", 8), number("share", 5), number("GFLOP/s peak", 12), number("MB", 7), number("GB/s", 6),
		number("infer ms", 8), number("share", 5), number("GFLOP/s peak", 12))
}

// add adds a row.
func (t *stepTable) add(rows *table, r stepRow) {
	cells := append([]string{r.layer, r.kind, r.detail, r.pass}, t.times(r.train, t.whole.train.seconds)...)
	if r.train.bytes > 0 {
		cells = append(cells, fmt.Sprintf("%.1f", r.train.bytes/1e6),
			fmt.Sprintf("%.1f", r.train.bytes/1e9/r.train.seconds))
	} else {
		cells = append(cells, "", "")
	}
	rows.row(append(cells, t.times(r.infer, t.whole.infer.seconds)...)...)
}

// times returns the time of a cost, its share of the whole step, and its rate.
func (t *stepTable) times(c cost, whole float64) []string {
	if c.seconds <= 0 {
		return []string{"", "", ""}
	}
	rate := ""
	if c.flop > 0 {
		rate = share(c.flop/1e9/c.seconds, t.peak)
	}
	return []string{fmt.Sprintf("%.2f", 1e3*c.seconds), fmt.Sprintf("%.1f%%", 100*c.seconds/whole), rate}
}

// printMeans prints the mean time of a step in the best run of each program, ours first, and the
// times of the others relative to ours.
func printMeans(out *output, train, infer []*contender, batch int) {
	fmt.Fprintln(out)
	t := out.table(text("mean step of the best run", 44), number("ms", 8), number("ratio", 7),
		number("infer ms", 8), number("ratio", 7))
	for i := range train {
		cells := []string{train[i].label()}
		for _, programs := range [][]*contender{train, infer} {
			ours, theirs := programs[0].best.ImagesPerSecond, programs[i].best.ImagesPerSecond
			ratio := ""
			if i > 0 {
				ratio = fmt.Sprintf("%.2f x", ours/theirs)
			}
			cells = append(cells, fmt.Sprintf("%.1f", 1e3*float64(batch)/theirs), ratio)
		}
		t.row(cells...)
	}
}
