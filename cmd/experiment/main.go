// Command experiment trains networks that differ in one thing and compares them in four pictures and
// a page. It can be stopped at any moment and called again. See --help.
package main

import (
	"os"

	"github.com/lamina-go/lamina/internal/cli"
)

func main() { newCommand().program().Main() }

func (c *command) run() error {
	switch c.name {
	case compareName:
		return c.compare()
	case memoryName:
		return c.memory()
	}
	e, _ := find(c.name)
	ctx := cli.Context("stopping: this step is finished and saved; Ctrl-C again ends at once")
	return c.do(ctx, e, cli.Command("experiment", os.Args[1:]...))
}
