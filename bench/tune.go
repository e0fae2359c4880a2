package bench

import (
	"fmt"
	"io"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// openTuned opens the engine with the algorithms that [Tune] stored for the level, if any.
func openTuned(level ops.Level, o *Options) (*cpu.Backend, error) {
	table, err := device.ReadTuned(level)
	if err != nil {
		return nil, err
	}
	return cpu.Open(cpu.Options{Threads: o.Threads, Level: level, BF16: o.Precision == "bf16", Table: table})
}

// Tune measures each pass of the 3x3 convolutions of stride 1 with every algorithm, prints the
// times, and stores the fastest. Backends use them for the same shapes and batch from then on.
func Tune(o *Options, w io.Writer) error {
	level, err := ops.Best()
	if err != nil {
		return err
	}
	if err := device.CheckTuned(level); err != nil {
		return err // before minutes of measuring
	}
	algorithms := cpu.ConvAlgorithms()[1:] // without "auto"
	columns := append(algorithms, ops.Map2.String())
	out := &output{w, o.Markdown}
	printMachine(out, level, o)
	out.title(fmt.Sprintf("Convolution by algorithm, batch %d, %v, %s: ms, and the fastest",
		o.Batch, level, cores(o.Threads)), "")
	heads := []column{text("pass and shape", 36)}
	for _, algorithm := range columns {
		heads = append(heads, number(algorithm, 8))
	}
	t := out.table(append(heads, text("fastest", 0))...)
	fastest := cpu.ConvTable{}
	for i := range convolutions {
		spec := convSpec(i, o.Batch)
		if spec.Window != tensor.Centered(3) {
			continue // there is no choice
		}
		times := map[string]map[string]float64{}  // seconds, by pass and what computes it
		for i := range o.Runs * len(algorithms) { // alternating: another program may disturb one
			if err := timeConv(times, level, o.Threads, spec, algorithms[i%len(algorithms)]); err != nil {
				return err
			}
		}
		for _, pass := range cpu.ConvPasses {
			name := cpu.ConvName(pass, convShape(spec))
			if times[name] == nil {
				continue // the first layer has no gradient of its input
			}
			cells, best := []string{name}, ""
			for _, algorithm := range columns {
				seconds, ok := times[name][algorithm]
				if !ok {
					cells = append(cells, "")
					continue
				}
				cells = append(cells, fmt.Sprintf("%.2f", seconds*1e3))
				if best == "" || seconds < times[name][best] {
					best = algorithm
				}
			}
			t.row(append(cells, best)...)
			fastest[name] = best
		}
	}
	path, err := device.WriteTuned(level, fastest)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nstored for batch %d in %s (delete it to return to the built-in choice)\n", o.Batch, path)
	return nil
}

// timeConv records the times of the passes of a convolution that are the least so far, under the
// algorithms that computed them, which may differ from the requested one.
func timeConv(times map[string]map[string]float64, level ops.Level, threads int, spec backend.Conv2DSpec,
	algorithm string) error {
	b, err := cpu.Open(cpu.Options{Threads: threads, Level: level, Conv: algorithm})
	if err != nil {
		return err
	}
	defer b.Close()
	seconds, err := convSeconds(b, spec)
	if err != nil {
		return err
	}
	table := b.ConvTable()
	for i, pass := range cpu.ConvPasses {
		name := cpu.ConvName(pass, convShape(spec))
		algorithm, ok := table[name]
		if !ok {
			continue
		}
		if times[name] == nil {
			times[name] = map[string]float64{}
		}
		if t, ok := times[name][algorithm]; !ok || seconds[i] < t {
			times[name][algorithm] = seconds[i]
		}
	}
	return nil
}

func convShape(s backend.Conv2DSpec) ops.ConvShape {
	return ops.ConvShape{N: s.N, H: s.H, W: s.W, In: s.In, Out: s.Out, Window: s.Window}
}
