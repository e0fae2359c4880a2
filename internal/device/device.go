// Package device opens what computes, as the flags of a program say.
package device

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/ops"
)

// Options say what computes, and how. Their names are those of the flags.
type Options struct {
	Backend   string `json:"backend"`
	Threads   int    `json:"threads"` // 0: one for each core
	Precision string `json:"precision"`
	ConvAlgo  string `json:"conv-algo"`

	Deterministic bool `json:"deterministic"`
}

// MaxThreads is far from where the system, or Go, gives no more.
const MaxThreads = 1024

// Defaults are the best there is for float32.
func Defaults() Options { return Options{Backend: "auto", Precision: "fp32", ConvAlgo: "auto"} }

// Flags binds flags to o, whose values are the defaults.
func (o *Options) Flags() cli.Group {
	g := cli.NewGroup("Machine")
	g.StringVar(&o.Backend, "backend", o.Backend, "`device` that computes: auto, cpu, or cudnn (an NVIDIA card, which auto takes if it can)")
	g.IntVar(&o.Threads, "threads", o.Threads, "`number` of threads; results do not depend on it (default one for each core)")
	g.StringVar(&o.Precision, "precision", o.Precision, "`type` of numbers: fp32, bf16 between layers for speed where the machine has it, or\ntf32 in the products of NVIDIA cards")
	g.StringVar(&o.ConvAlgo, "conv-algo", o.ConvAlgo, "`way` to compute convolutions: auto, im2col, or Winograd's f4 or f2")
	g.BoolVar(&o.Deterministic, "deterministic", o.Deterministic, "the same bits in every run on a card too, where that takes slower algorithms")
	return g
}

// Check reports the first option that cannot be.
func (o *Options) Check() error {
	err := cmp.Or(
		cli.OneOf("backend", o.Backend, "auto", "cpu", "cudnn"),
		cli.AtLeast("threads", o.Threads, 0),
		cli.AtMost("threads", o.Threads, MaxThreads),
		cli.OneOf("precision", o.Precision, "fp32", "tf32", "bf16"),
		cli.OneOf("conv-algo", o.ConvAlgo, cpu.ConvAlgorithms()...),
	)
	if err == nil && o.Precision == "bf16" && (o.ConvAlgo == "f4" || o.ConvAlgo == "f2") {
		err = fmt.Errorf("--conv-algo %s: it is too inexact in bf16; want auto or im2col", o.ConvAlgo)
	}
	if err == nil && o.Precision == "tf32" && o.Backend == "cpu" {
		err = errors.New("--precision tf32: only NVIDIA cards have it; want fp32 or bf16")
	}
	return err
}

// errNotBuilt says that the program was built without what computes on cards.
var errNotBuilt = errors.New("this program was built for the CPU alone: build it with -tags cudnn on Linux, with cgo and a C compiler")

// Open opens what computes. "auto" is the card, if the program was built for cards and there is one that works, else the
// CPU; then a line on the standard error says why. convolutions are the algorithms that a run chose before, which it
// must choose again; if there are none of the CPU, those that "bench tune" measured on this machine are taken.
func (o *Options) Open(convolutions map[string]string) (backend.Backend, error) {
	if o.Backend != "cpu" {
		b, err := openCuDNN(o, convolutions)
		switch {
		case err == nil:
			return b, nil
		case o.Backend == "cudnn":
			return nil, fmt.Errorf("--backend cudnn: %w; --backend cpu needs no card", err)
		case o.Precision == "tf32":
			return nil, fmt.Errorf("--precision tf32: %w; without a card there are fp32 and bf16", err)
		case !errors.Is(err, errNotBuilt):
			fmt.Fprintf(os.Stderr, "note: the CPU computes, since %v\n", err)
		}
	}
	table := ofCPU(convolutions)
	if table == nil && o.ConvAlgo == "auto" {
		level, err := ops.Best()
		if err != nil {
			return nil, err
		}
		if table, err = ReadTuned(level); err != nil {
			return nil, err
		}
	}
	return cpu.Open(cpu.Options{Threads: o.Threads, BF16: o.Precision == "bf16", Conv: o.ConvAlgo, Table: table})
}

// ThreadCount returns how many threads compute.
func (o *Options) ThreadCount() int { return cmp.Or(o.Threads, runtime.GOMAXPROCS(0)) }
