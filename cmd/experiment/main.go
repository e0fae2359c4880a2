// Command experiment trains networks that differ in one thing and compares them in four pictures and
// a page. It can be stopped at any moment and called again. See --help.
package main

import (
	"fmt"

	"github.com/lamina-go/lamina/internal/cli"
)

func main() { cli.Main("experiment", program) }

func program(args []string) (err error) {
	c, err := parse(args)
	if err != nil {
		return cli.Usage(err)
	}
	if c.help {
		fmt.Print(help())
		return nil
	}
	defer cli.Recover(&err, c.verbose)
	switch c.name {
	case compareName:
		return c.compare()
	case memoryName:
		return c.memory()
	}
	e, _ := find(c.name)
	ctx := cli.Context("stopping: this step is finished and saved; Ctrl-C again ends at once")
	return c.do(ctx, e, cli.Command("experiment", args...))
}
