// Package device opens what computes, as the flags of a program say.
package device

import (
	"cmp"
	"fmt"
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
}

// maxThreads is far from where the system, or Go, gives no more.
const maxThreads = 1024

// Defaults are the best there is for float32.
func Defaults() Options { return Options{Backend: "auto", Precision: "fp32", ConvAlgo: "auto"} }

// Flags binds flags to o, whose values are the defaults.
func (o *Options) Flags() cli.Group {
	g := cli.NewGroup("Machine")
	g.StringVar(&o.Backend, "backend", o.Backend, "`name` of what computes: auto, cpu or cudnn")
	g.IntVar(&o.Threads, "threads", o.Threads, "`number` of threads; results do not depend on it (default one for each core)")
	g.StringVar(&o.Precision, "precision", o.Precision, "`type` of the numbers between layers: fp32, or bf16 for speed on processors that have it")
	g.StringVar(&o.ConvAlgo, "conv-algo", o.ConvAlgo, "`way` to compute convolutions: auto, im2col, or Winograd's f4 or f2")
	return g
}

// Check reports the first option that cannot be.
func (o *Options) Check() error {
	err := cmp.Or(
		cli.OneOf("backend", o.Backend, "auto", "cpu", "cudnn"),
		cli.AtLeast("threads", o.Threads, 0),
		cli.AtMost("threads", o.Threads, maxThreads),
		cli.OneOf("precision", o.Precision, "fp32", "bf16"),
		cli.OneOf("conv-algo", o.ConvAlgo, cpu.ConvAlgorithms()...),
	)
	if err == nil && o.Precision == "bf16" && (o.ConvAlgo == "f4" || o.ConvAlgo == "f2") {
		err = fmt.Errorf("--conv-algo %s: it is too inexact in bf16; want auto or im2col", o.ConvAlgo)
	}
	return err
}

// Open opens what computes. "auto" is the best there is in this build. convolutions are the choices that a
// run made before, which it must make again; if there are none, those that "bench tune" measured on this machine
// are taken.
func (o *Options) Open(convolutions cpu.ConvTable) (backend.Backend, error) {
	if o.Backend == "cudnn" {
		return openCuDNN(o)
	}
	if convolutions == nil && o.ConvAlgo == "auto" {
		level, err := ops.Best()
		if err != nil {
			return nil, err
		}
		if convolutions, err = ReadTuned(level); err != nil {
			return nil, err
		}
	}
	return cpu.Open(cpu.Options{Threads: o.Threads, BF16: o.Precision == "bf16", Conv: o.ConvAlgo, Table: convolutions})
}

// ThreadCount returns how many threads compute.
func (o *Options) ThreadCount() int { return cmp.Or(o.Threads, runtime.GOMAXPROCS(0)) }
