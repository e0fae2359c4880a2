package command

import (
	"cmp"
	"runtime"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/bench"
	"github.com/lamina-go/lamina/internal/cli"
)

const tuneUsage = `Measure the convolution algorithms for a batch size on this machine, in some
minutes, and store the fastest of each layer. Runs with that batch size use
them from then on; a resumed run keeps the algorithms that it began with.

Usage: lamina tune [flags]

  lamina tune --batch 128
`

type tune struct{ bench.Options }

func newTune() *tune { return new(tune) }

// command binds the flags to t.
func (t *tune) command() *cli.Command {
	g := cli.NewGroup("Measurement")
	g.IntVar(&t.Batch, "batch", 128, "`N` images per step")
	g.IntVar(&t.Threads, "threads", runtime.GOMAXPROCS(0), "`N` threads")
	g.IntVar(&t.Runs, "runs", 3, "`N` runs of each algorithm, alternating with the others; the best counts")
	g.BoolVar(&t.Markdown, "markdown", false, "print Markdown, with a description of the machine")
	return &cli.Command{Name: "tune", Summary: "choose the fastest convolution algorithms for this machine",
		Usage: tuneUsage,
		Flags: []cli.Group{g}, Check: t.check, Run: t.run}
}

// check checks the command line.
func (t *tune) check(f *pflag.FlagSet) error {
	return cmp.Or(noArguments(f), checkMeasurement(&t.Options))
}

func (t *tune) run(call *cli.Call) error {
	t.Command = cli.Join(append([]string{"lamina", "tune"}, call.Args...)...)
	return bench.Tune(&t.Options, cli.Stdout)
}
