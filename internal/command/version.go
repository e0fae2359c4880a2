package command

import (
	"runtime"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/ops"
)

const versionUsage = `Print the version of lamina and of Go, the platform, and the ISA level: the
instruction set that the kernels use on this machine.

Usage: lamina version
`

func versionCommand() *cli.Command {
	return &cli.Command{Name: "version", Summary: "print the version, Go and the ISA level",
		Usage: versionUsage, Check: noArguments,
		Run: func(*cli.Call) error {
			level, err := ops.Best()
			if err != nil {
				return err
			}
			cli.Stdout.Printf("lamina %s, %s %s/%s, ISA level %v\n", cli.Version(), runtime.Version(), runtime.GOOS,
				runtime.GOARCH, level)
			return nil
		}}
}
