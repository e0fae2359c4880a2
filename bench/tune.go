package main

import (
	"fmt"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/ops"
)

// openTuned opens the engine with what tune stored for the level, if anything.
func openTuned(level ops.Level, o *options) (*cpu.Backend, error) {
	table, err := device.ReadTuned(level)
	if err != nil {
		return nil, err
	}
	return cpu.Open(cpu.Options{Threads: o.threads, Level: level, BF16: o.precision == "bf16", Table: table})
}

// tune measures each pass of the 3x3 convolutions by every algorithm, prints the times and stores which is the
// fastest, for the programs to use at this batch.
func tune(level ops.Level, o *options) error {
	if err := device.CheckTuned(level); err != nil {
		return err // now, for measuring takes minutes
	}
	algorithms := cpu.ConvAlgorithms()[1:] // without "auto"
	columns := append(algorithms, ops.Map2.String())
	fmt.Printf("\nConvolution by algorithm, batch %d, %v, %s: ms, and the fastest\n%-36s", o.batch, level, cores(o.threads), "")
	for _, algorithm := range columns {
		fmt.Printf("  %8s", algorithm)
	}
	fmt.Println()
	fastest := cpu.ConvTable{}
	for _, c := range convolutions {
		if c.kernel != 3 {
			continue
		}
		spec := backend.Conv2DSpec{N: o.batch, H: c.size, W: c.size, In: c.in, Out: c.out,
			Kernel: c.kernel, BatchNorm: true, NoInputGrad: c.in == 3}
		times := map[string]map[string]float64{}  // seconds, by pass and what computes it
		for i := range o.runs * len(algorithms) { // in turns: another program may disturb one
			if err := timeConv(times, level, o.threads, spec, algorithms[i%len(algorithms)]); err != nil {
				return err
			}
		}
		for _, pass := range cpu.ConvPasses {
			name := cpu.ConvName(pass, convShape(spec))
			if times[name] == nil {
				continue // the first layer has no gradient of its input
			}
			fmt.Printf("%-36s", name)
			best := ""
			for _, algorithm := range columns {
				t, ok := times[name][algorithm]
				if !ok {
					fmt.Printf("  %8s", "")
					continue
				}
				fmt.Printf("  %8.2f", t*1e3)
				if best == "" || t < times[name][best] {
					best = algorithm
				}
			}
			fmt.Printf("  %s\n", best)
			fastest[name] = best
		}
	}
	path, err := device.WriteTuned(level, fastest)
	if err != nil {
		return err
	}
	fmt.Printf("\nstored for batch %d and all programs in %s (delete it to go back to the built-in choice)\n", o.batch, path)
	return nil
}

// timeConv notes the times of the passes of a convolution, if they are the least so far. What computes them may be
// another algorithm than was asked for.
func timeConv(times map[string]map[string]float64, level ops.Level, threads int, spec backend.Conv2DSpec, algorithm string) error {
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
	return ops.ConvShape{N: s.N, H: s.H, W: s.W, In: s.In, Out: s.Out, Kernel: s.Kernel}
}
