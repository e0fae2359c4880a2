// Package command holds the commands of the program lamina. A file holds one command: its flags,
// their checks, and the call of the package that does the work.
package command

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
)

const about = `Lamina trains and runs convolutional networks on the CPU.

Usage: lamina COMMAND [flags]

  A first run, of two minutes:
  lamina train --data shapes --model vgg11 --epochs 3 --batch 32 \
      --lr cosine:0.02 --dropout 0 --augment none
`

// Main runs the command that the command line names, or the named one, and ends the process.
func Main(name ...string) {
	program().Main(name...)
}

func program() *cli.Program {
	return &cli.Program{Name: "lamina", About: about, Commands: []*cli.Command{
		newTrain().command(), newPredict().command(), newEvaluate().command(), newServe().command(),
		newExport().command(), newAugment().command(), newExperiment().command(), newSweep().command(),
		newBench().command(), newTune().command(), versionCommand(), licensesCommand(),
	}}
}

// stopping is printed when the user stops a training.
const stopping = "stopping after this step, then saving; Ctrl-C again ends at once"

// noArguments reports an argument that is no flag.
func noArguments(f *pflag.FlagSet) error {
	if f.NArg() > 0 {
		return unexpected(f.Arg(0))
	}
	return nil
}

func unexpected(argument string) error {
	if _, err := strconv.ParseBool(argument); err == nil {
		return fmt.Errorf("unexpected argument %q: a switch takes its value after =, as in --bn=false", argument)
	}
	return fmt.Errorf("unexpected argument %q: see --help", argument)
}

// notEmpty reports a flag that is given with an empty value.
func notEmpty(f *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		if f.Changed(name) && f.Lookup(name).Value.String() == "" {
			return fmt.Errorf("--%s: the name of the folder is empty", name)
		}
	}
	return nil
}

// aboveZero reports a time that is not positive.
func aboveZero(flag string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("--%s %v: must be above 0", flag, d)
	}
	return nil
}

// oneModel reports an error unless there is one argument, a model.
func oneModel(f *pflag.FlagSet) error {
	switch f.NArg() {
	case 0:
		return errNoModel
	case 1:
		return nil
	}
	return fmt.Errorf("unexpected argument %q: one model is enough", f.Arg(1))
}

var errNoModel = errors.New("no model: name the folder of a run, a checkpoint or a Keras file, see --help")
