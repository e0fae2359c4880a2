// Bench measures the engine on this machine and prints tables for a person: the peak of
// multiply-adds, matrix products, convolutions by shape, images per second of the VGG networks,
// and what takes the time of a training step; with --peers also how fast PyTorch and Keras
// are, in turns.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/ops"
)

const usage = `Measure the engine on this machine.

Usage: bench [flags] [gemm] [conv] [networks] [step] [tune]

  go run ./bench                                      gemm, conv and networks
  go run ./bench step                                 the time of a training step of vgg19 by layer and
                                                      pass, and by kind
  go run ./bench networks --peers DIR/bin/python      the networks, compared with the PyTorch or
                                                      Keras of that Python (see bench/peers)
  go run ./bench tune --batch 128                     the algorithms of convolutions at the batch that you
                                                      train with; the fastest of each are used from then on,
                                                      and those of other batches stay
  LAMINA_LEVEL=avx2 go run ./bench networks           with AVX2 only, the peers too
`

// tables are what can be measured.
var tables = []string{"gemm", "conv", "networks", "step", "tune"}

// options are what the command line says.
type options struct {
	tables        []string
	models, peers []string
	stepModels    []string // of the table step, which is long
	batch         int
	threads       int
	precision     string // of activations: fp32 or bf16
	runs          int
	measure       string // the pass of models[0] that this process measures for another
}

func main() { new(options).program().Main() }

// program binds the flags to o.
func (o *options) program() *cli.Program {
	g := cli.NewGroup("Measurement")
	g.StringSliceVar(&o.models, "models", []string{"vgg11", "vgg13", "vgg16", "vgg19"},
		"`networks`, of "+strings.Join(nn.VGGNames(), ", ")+"; step takes vgg19 if none is named")
	g.IntVar(&o.batch, "batch", 128, "`images` a step; of 1, networks are measured in inference only")
	g.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "`number` of threads")
	g.StringVar(&o.precision, "precision", "fp32", "`type` of numbers, fp32 or bf16, of conv, networks and step, the peers' too")
	g.IntVar(&o.runs, "runs", 3, "measure each network, or algorithm, so many `times`, in turns with the others; the best counts")
	g.StringSliceVar(&o.peers, "peers", nil, "`PYTHON`s that have torch, or tensorflow and keras")
	g.StringVar(&o.measure, "measure", "", "")
	g.Lookup("measure").Hidden = true
	return &cli.Program{Name: "bench", Usage: usage, Flags: []cli.Group{g}, Verbose: new(bool), Check: o.check, Run: o.run}
}

// check completes and checks what the command line says.
func (o *options) check(f *pflag.FlagSet) error {
	o.stepModels = []string{"vgg19"}
	if f.Changed("models") {
		o.stepModels = o.models
	}
	o.tables = f.Args()
	if len(o.tables) == 0 {
		o.tables = tables[:3]
	}
	for _, table := range o.tables {
		if !slices.Contains(tables, table) {
			return fmt.Errorf("no table %q: there are %s", table, strings.Join(tables, ", "))
		}
	}
	if len(o.models) == 0 {
		return errors.New("--models: there are no names")
	}
	for _, model := range o.models {
		if err := cli.OneOf("models", model, nn.VGGNames()...); err != nil {
			return err
		}
	}
	return cmp.Or(
		cli.OneOf("precision", o.precision, "fp32", "bf16"),
		cli.AtLeast("batch", o.batch, 1), cli.AtMost("batch", o.batch, maxBatch),
		cli.AtLeast("threads", o.threads, 1), cli.AtMost("threads", o.threads, device.MaxThreads),
		cli.AtLeast("runs", o.runs, 1),
	)
}

// maxBatch is far from where more images make a step faster.
const maxBatch = 1 << 16

func (o *options) run() error {
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
	products := level // whose peak the networks' products have
	if o.precision == "fp32" {
		products = level.Float()
	}
	for _, table := range o.tables {
		switch table {
		case "gemm":
			err = printGEMM(peaks, o.threads)
		case "conv":
			err = printConvolutions(level, peaks[products], o)
		case "networks":
			err = printNetworks(commands, o)
		case "step":
			err = printSteps(level, peaks[products], commands, o)
		case "tune":
			err = tune(level, o)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}
