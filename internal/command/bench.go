package command

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/bench"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
)

const benchUsage = `Measure the engine on this machine.

Usage: lamina bench [gemm] [conv] [networks] [step] [flags]

  gemm       matrix products
  conv       the passes of the 3x3 and 1x1 convolutions of VGG
  networks   images per second and memory, training and inference
  step       the time of a training step of vgg19 by layer, pass and kind

Without a name it measures gemm, conv and networks.

  Compare with what a Python has of PyTorch, Keras, ONNX Runtime and OpenVINO
  (see bench/peers):
  lamina bench networks --peers DIR/bin/python

  Without AVX-512, the peers too:
  LAMINA_LEVEL=avx2 lamina bench networks
`

type benches struct {
	bench.Options
	measure string // the pass of Models[0] that this process measures for another
}

func newBench() *benches { return new(benches) }

// maxBatch is far above what makes a step faster.
const maxBatch = 1 << 16

// command binds the flags to b.
func (b *benches) command() *cli.Command {
	g := cli.NewGroup("Measurement")
	g.StringSliceVar(&b.Models, "models", []string{"vgg11", "vgg13", "vgg16", "vgg19"},
		"`NAMES` networks, of "+strings.Join(bench.Networks(), ", ")+"; step measures vgg19 unless some are given")
	g.IntVar(&b.Batch, "batch", 128, "`N` images per step; with 1, networks are measured in inference only")
	g.IntVar(&b.Threads, "threads", runtime.GOMAXPROCS(0), "`N` threads")
	g.StringVar(&b.Precision, "precision", "fp32",
		"`TYPE` fp32 or bf16 activations, for conv, networks, step and the peers")
	g.IntVar(&b.Runs, "runs", 3, "`N` runs of each network, alternating with the others; the best counts")
	g.StringSliceVar(&b.Peers, "peers", nil,
		"`PYTHONS` interpreters with torch, keras, onnxruntime or openvino, to compare with")
	g.BoolVar(&b.Markdown, "markdown", false, "print Markdown, with a description of the machine")
	g.StringVar(&b.measure, "measure", "", "")
	g.Lookup("measure").Hidden = true
	return &cli.Command{Name: "bench", Summary: "measure the engine on this machine", Usage: benchUsage,
		Flags: []cli.Group{g}, Check: b.check, Run: b.run}
}

// check completes and checks the command line.
func (b *benches) check(f *pflag.FlagSet) error {
	b.StepModels = []string{"vgg19"}
	if f.Changed("models") {
		b.StepModels = b.Models
	}
	b.Tables = f.Args()
	if len(b.Tables) == 0 {
		b.Tables = []string{"gemm", "conv", "networks"}
	}
	for _, table := range b.Tables {
		if !slices.Contains(bench.Tables(), table) {
			return fmt.Errorf("unknown table %q: must be one of %s", table, strings.Join(bench.Tables(), ", "))
		}
	}
	if len(b.Models) == 0 {
		return errors.New("--models: the list is empty")
	}
	for _, model := range b.Models {
		if err := cli.OneOf("models", model, bench.Networks()...); err != nil {
			return err
		}
	}
	return cmp.Or(cli.OneOf("precision", b.Precision, "fp32", "bf16"), checkMeasurement(&b.Options))
}

// checkMeasurement checks the flags that bench and tune share.
func checkMeasurement(o *bench.Options) error {
	return cmp.Or(
		cli.AtLeast("batch", o.Batch, 1), cli.AtMost("batch", o.Batch, maxBatch),
		cli.AtLeast("threads", o.Threads, 1), cli.AtMost("threads", o.Threads, device.MaxThreads),
		cli.AtLeast("runs", o.Runs, 1),
	)
}

func (b *benches) run(call *cli.Call) error {
	if b.measure != "" {
		return bench.Measure(&b.Options, b.measure, cli.Stdout)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.Self = []string{self, "bench"}
	b.Command = cli.Join(append([]string{"lamina", "bench"}, call.Args...)...)
	return bench.Run(&b.Options, cli.Stdout)
}
