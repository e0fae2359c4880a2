// Bench measures the engine on this machine and prints tables for a person: the peak of
// multiply-adds, matrix products, convolutions by shape, images per second of the VGG networks,
// and what takes the time of a training step; with --peers also how fast PyTorch and Keras
// are, in turns.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/ops"
	"github.com/spf13/pflag"
)

const usage = `Measure the engine on this machine.

Usage: bench [flags] [gemm] [conv] [networks] [step] [tune]

  go run ./bench                                      gemm, conv and networks
  go run ./bench step                                 the time of a training step of vgg19 by layer and
                                                      pass, and by kind
  go run ./bench networks --peers DIR/bin/python      the networks, compared with the PyTorch or
                                                      Keras of that Python (see bench/peers)
  go run ./bench tune                                 the algorithms of convolutions; the fastest of each
                                                      are used from then on
  LAMINA_LEVEL=avx2 go run ./bench networks           with AVX2 only, the peers too

`

// options are what the command line says.
type options struct {
	tables        []string
	models, peers []string
	stepModels    []string // of the table step, which is long
	batch         int
	threads       int
	runs          int
	measure       string // the pass of models[0] that this process measures for another
}

func main() {
	err := run(os.Args[1:])
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	level, err := ops.Best()
	if err != nil {
		return err
	}
	if o.measure != "" {
		return measureNetwork(level, o)
	}
	dir, err := os.MkdirTemp("", "lamina-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	commands, err := peerCommands(dir, level, o.peers)
	if err != nil {
		return err
	}
	peaks := printMachine(o.threads)
	for _, table := range o.tables {
		switch table {
		case "gemm":
			err = printGEMM(peaks, o.threads)
		case "conv":
			err = printConvolutions(level, peaks[level.Float()], o)
		case "networks":
			err = printNetworks(commands, o)
		case "step":
			err = printSteps(level, peaks[level.Float()], commands, o)
		case "tune":
			err = tune(level, o)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}

func parse(args []string) (*options, error) {
	o := new(options)
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() { fmt.Print(usage, f.FlagUsages()) }
	f.StringSliceVar(&o.models, "models", []string{"vgg11", "vgg13", "vgg16", "vgg19"},
		"`networks`, of "+strings.Join(nn.VGGNames(), ", ")+"; step takes vgg19 if none is named")
	f.IntVar(&o.batch, "batch", 128, "`images` a step; of 1, networks are measured in inference only")
	f.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "`number` of threads")
	f.IntVar(&o.runs, "runs", 3, "measure each network, or algorithm, so many `times`, in turns with the others; the best counts")
	f.StringSliceVar(&o.peers, "peers", nil, "`PYTHON`s that have torch, or tensorflow and keras")
	f.StringVar(&o.measure, "measure", "", "")
	if err := errors.Join(f.MarkHidden("measure"), f.Parse(args)); err != nil {
		return nil, err
	}
	o.stepModels = []string{"vgg19"}
	if f.Changed("models") {
		o.stepModels = o.models
	}
	o.tables = f.Args()
	if len(o.tables) == 0 {
		o.tables = []string{"gemm", "conv", "networks"}
	}
	for _, table := range o.tables {
		if !slices.Contains([]string{"gemm", "conv", "networks", "step", "tune"}, table) {
			return nil, fmt.Errorf("no table %q: there are gemm, conv, networks, step and tune", table)
		}
	}
	for _, model := range o.models {
		if !slices.Contains(nn.VGGNames(), model) {
			return nil, fmt.Errorf("--models %s: there are %s", model, strings.Join(nn.VGGNames(), ", "))
		}
	}
	if o.batch < 1 || o.threads < 1 || o.runs < 1 {
		return nil, errors.New("--batch, --threads and --runs must be at least 1")
	}
	return o, nil
}
