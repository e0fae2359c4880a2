package command

import (
	"fmt"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/notices"
)

const licensesUsage = `Print the license of lamina and those of the software that is linked into it.

Usage: lamina licenses
`

func licensesCommand() *cli.Command {
	return &cli.Command{Name: "licenses", Summary: "print the licenses of lamina and of what it contains",
		Usage: licensesUsage, Check: noArguments,
		Run: func(*cli.Call) error {
			_, err := fmt.Fprint(cli.Stdout, notices.Text)
			return err
		}}
}
