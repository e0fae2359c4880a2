// Package device opens the backend that the flags select.
package device

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/ops"
)

// Options select the backend and how it computes. They have the names of the flags.
type Options struct {
	Backend   string `json:"backend"`
	Threads   int    `json:"threads"` // 0: one for each core
	Precision string `json:"precision"`
	ConvAlgo  string `json:"conv-algo"`

	Deterministic bool `json:"deterministic"`
}

// MaxThreads is far below the limits of Go and the system.
const MaxThreads = 1024

// Defaults select the fastest backend, in float32.
func Defaults() Options { return Options{Backend: "auto", Precision: "fp32", ConvAlgo: "auto"} }

// Flags binds flags to o, whose values are the defaults.
func (o *Options) Flags() cli.Group {
	g := cli.NewGroup("Machine")
	g.StringVar(&o.Backend, "backend", o.Backend,
		"`NAME` cpu, cudnn (an NVIDIA card) or auto: the card if it works, else the CPU")
	g.IntVar(&o.Threads, "threads", o.Threads, "`N` threads; results do not depend on it (default one per core)")
	g.StringVar(&o.Precision, "precision", o.Precision,
		"`TYPE` fp32; bf16 activations, faster where the machine supports it; or tf32 products on NVIDIA cards")
	g.StringVar(&o.ConvAlgo, "conv-algo", o.ConvAlgo,
		"`NAME` convolution algorithm: auto; im2col, implicit (no matrix in memory); or Winograd, f4 or f2")
	g.BoolVar(&o.Deterministic, "deterministic", o.Deterministic,
		"the same bits in every run on a card too, at the cost of speed")
	return g
}

// Check reports the first invalid option.
func (o *Options) Check() error {
	err := cmp.Or(
		cli.OneOf("backend", o.Backend, "auto", "cpu", "cudnn"),
		cli.AtLeast("threads", o.Threads, 0),
		cli.AtMost("threads", o.Threads, MaxThreads),
		cli.OneOf("precision", o.Precision, "fp32", "tf32", "bf16"),
		cli.OneOf("conv-algo", o.ConvAlgo, cpu.ConvAlgorithms()...),
	)
	if err == nil && o.Precision == "bf16" && (o.ConvAlgo == "f4" || o.ConvAlgo == "f2") {
		err = fmt.Errorf("--conv-algo %s: too inexact in bf16; use auto or im2col", o.ConvAlgo)
	}
	if err == nil && o.Precision == "tf32" && o.Backend == "cpu" {
		err = errors.New("--precision tf32: only NVIDIA cards support it; use fp32 or bf16")
	}
	return err
}

// errNotBuilt reports a program without the cuDNN backend.
var errNotBuilt = errors.New("this program was built for the CPU alone: build it with -tags cudnn on Linux, with cgo and a C compiler")

// Open opens the backend. "auto" is the card if the program supports cards and one works, else the
// CPU; a line on standard error then says why. convolutions are the algorithms that a resumed run
// must use again. Without any for the CPU, those that "lamina tune" measured on this machine are
// used.
func (o *Options) Open(convolutions map[string]string) (backend.Backend, error) {
	if o.Backend != "cpu" {
		b, err := openCuDNN(o, convolutions)
		switch {
		case err == nil:
			return b, nil
		case o.Backend == "cudnn":
			return nil, fmt.Errorf("--backend cudnn: %w; --backend cpu needs no card", err)
		case o.Precision == "tf32":
			return nil, fmt.Errorf("--precision tf32: %w; without a card use fp32 or bf16", err)
		case !errors.Is(err, errNotBuilt):
			cli.Stderr.Printf("note: using the CPU: %v\n", err)
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

// Notes returns what a user should know of a backend opened with these options.
func (o *Options) Notes(b backend.Backend) (notes []string) {
	if _, ok := b.(*cpu.Backend); !ok {
		return nil
	}
	if n := runtime.NumCPU(); o.Threads > n {
		notes = append(notes, fmt.Sprintf("%d threads on %d cores are slower than %d", o.Threads, n, n))
	}
	if o.Precision != "bf16" {
		return notes
	}
	switch level, _ := ops.Best(); {
	case runtime.GOARCH == "arm64":
		notes = append(notes, "there are no bf16 kernels for arm64: bf16 computed in Go is slower than fp32")
	case level < ops.AVX512BF16:
		notes = append(notes, "this machine has no bf16 instructions: emulated bf16 is slower than fp32")
	}
	if err := ops.AMXRefused(); err != nil {
		notes = append(notes, fmt.Sprintf("the system does not permit AMX, which this processor has: bf16 is slower without: %v", err))
	}
	return notes
}

// ThreadCount returns the number of threads.
func (o *Options) ThreadCount() int { return cmp.Or(o.Threads, runtime.GOMAXPROCS(0)) }
