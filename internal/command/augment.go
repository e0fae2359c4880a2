package command

import (
	"cmp"
	"fmt"
	"image/png"
	"io"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/run"
)

const augmentUsage = `Draw a sheet of what the network will see: some training images, each as it is
and as the first epochs show it.

Usage: lamina augment [flags]

  lamina augment --data photos --size 96 --augment flip,rotate,zoom,brightness

Words of --augment, each with the strength that it has without a number. Shares
below 1 are of the image's size, and numbers from 1 on are pixels:

  flip            mirror half of the images left to right
  shift:0.1       move by up to a share or pixels, by fractions of pixels
  crop:0.125      move by up to a share or pixels, by whole pixels; outside is
                  the mean colour, or a mirror with crop:0.125:reflect
  rotate:15       turn by up to 15 degrees each way
  zoom:0.1        magnify by 0.9 to 1.1
  brightness:0.2  multiply pixels by 0.8 to 1.2
  contrast:0.2    multiply their distance from the mean grey by 0.8 to 1.2
  saturation:0.2  multiply their distance from their own grey by 0.8 to 1.2
  cutout:0.25     give a square, a share of the shorter side or pixels wide,
                  the mean colour (arXiv 1708.04552)
  rand:2:9        RandAugment: 2 of 14 changes, of magnitude 9 of 30
                  (arXiv 1909.13719)

All that moves pixels is one map, with one linear interpolation. Outside of the
image is a mirror, unless crop says otherwise. Also, each of them alone:

  none            images as they are
  whole-pixel     flip, and shift by up to an eighth, by whole pixels
  sub-pixel       the same, by fractions of pixels
  alternating-flip,translate
                  flip every second epoch, and shift by up to 2 pixels; or one
                  of them (arXiv 2404.00498)

A graphics card flips and shifts by itself, with the mean colour outside: flip,
crop:4. Other lists are rendered on the CPU.
`

type augment struct {
	run.Settings
	out string
}

func newAugment() *augment { return &augment{Settings: run.Defaults(), out: "augment.png"} }

// command binds the flags to a, whose values are the defaults.
func (a *augment) command() *cli.Command {
	g := cli.NewGroup("Sheet")
	settings := cli.Union(a.Settings.Flags())
	for _, name := range []string{"data", "val", "size", "resize", "skip-bad", "augment", "mean",
		"std", "seed"} {
		g.AddFlag(settings.Lookup(name))
	}
	g.StringVar(&a.out, "out", a.out, "`FILE` PNG file to draw")
	return &cli.Command{Name: "augment", Summary: "draw images as training shows them",
		Usage: augmentUsage, Flags: []cli.Group{g}, Check: a.check, Run: a.run}
}

// check checks the command line.
func (a *augment) check(f *pflag.FlagSet) error {
	if filepath.Ext(a.out) != ".png" { // it may be that of another file, which would be overwritten
		return fmt.Errorf("--out %q: the name must end in .png", a.out)
	}
	return cmp.Or(noArguments(f), a.Absolute())
}

func (a *augment) run(*cli.Call) error {
	ctx := cli.Context("stopping")
	if err := atomicfile.Check(a.out); err != nil {
		return fmt.Errorf("--out %w: name a file in a writable folder", err)
	}
	a.Limit, a.ValLimit = cifar.SheetRows, 1
	d, err := a.Dataset(ctx, cli.NewProgress(cli.Stderr))
	if err != nil {
		return cli.Interruption(ctx, err)
	}
	sheet, err := a.Sheet(d)
	if err != nil {
		return err
	}
	encode := func(w io.Writer) error { return png.Encode(w, sheet) }
	if err := atomicfile.Write(a.out, encode); err != nil {
		return fmt.Errorf("--out %w", err)
	}
	cli.Stdout.Printf("%s: a row for each image: as it is, then %v\n", a.out, a.Augment)
	return nil
}
