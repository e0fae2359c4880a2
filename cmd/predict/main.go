// Command predict classifies pictures with a trained network: those in files, a data set to
// evaluate it on, or those that come to it over HTTP. See --help.
package main

import (
	"fmt"
	"os"

	"github.com/lamina-go/lamina/internal/cli"
)

func main() { newCommand().program().Main() }

func (c *command) predict() error {
	b, err := c.Open(nil)
	if err != nil {
		return err
	}
	defer b.Close()
	m, err := openClassifier(b, c)
	if err != nil {
		return err
	}
	if m.guessed {
		fmt.Fprintf(os.Stderr, "predict: %s does not say how its pixels were prepared: taken as CIFAR-10's, --mean and --std tell otherwise\n", c.model)
	}
	switch {
	case c.serve != "":
		return serve(cli.Context("stopping: what came in is answered; Ctrl-C again ends at once"), c, m)
	case c.flags.Changed("evaluate"):
		return evaluate(cli.Context("stopping"), c, m)
	}
	return classifyFiles(c, m)
}
