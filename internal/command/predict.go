package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
)

// modelHelp explains the argument MODEL.
const modelHelp = `MODEL is the folder of a run, a checkpoint (.lamina), or a whole model in a
Keras (.h5, .keras) or safetensors file.
`

const predictUsage = `Classify image files.

Usage: lamina predict MODEL FILE... [flags]

  Two files and all images below a folder:
  lamina predict runs/vgg16-20260102-150405 cat.png dog.jpg photos

  Standard input:
  curl -s example.org/cat.jpg | lamina predict runs/vgg16-20260102-150405 -

  A Keras model, trained on pixels from 0 to 1:
  lamina predict model.h5 --mean 0 --std 255 cat.png

` + modelHelp + `
FILE is a PNG, JPEG, WebP, GIF, BMP or TIFF image (the first one of several), a
folder, searched without following links, or - for standard input. Images are
turned upright as EXIF says, then resized to the network's input. Transparent
pixels become black.
`

type predict struct {
	model
	files []string
	top   int
	json  bool
}

func newPredict() *predict {
	return &predict{model: model{Options: device.Defaults()}, top: 3}
}

// command binds the flags to p, whose values are the defaults.
func (p *predict) command() *cli.Command {
	g := cli.NewGroup("Output")
	g.IntVar(&p.top, "top", p.top, "`N` classes per image, the most probable first")
	g.BoolVar(&p.json, "json", p.json, "print a JSON object per image, one per line")
	return &cli.Command{Name: "predict", Summary: "classify image files", Usage: predictUsage,
		Flags: append([]cli.Group{g}, p.groups()...), Check: p.check, Run: p.run}
}

// check completes and checks the command line.
func (p *predict) check(f *pflag.FlagSet) error {
	switch f.NArg() {
	case 0:
		return errNoModel
	case 1:
		return fmt.Errorf("no image files for %s: name files, folders or - for standard input", f.Arg(0))
	}
	p.files = f.Args()[1:]
	if i := slices.Index(p.files, standardInput); i >= 0 && slices.Contains(p.files[i+1:], standardInput) {
		return errors.New("- is given twice, but standard input holds one image")
	}
	return cmp.Or(cli.AtLeast("top", p.top, 1), p.model.check(f))
}

func (p *predict) run(*cli.Call) error {
	m, b, err := p.open("predict")
	if err != nil {
		return err
	}
	defer b.Close()
	defer m.Close()
	files := listImages(p.files)
	out := newTable(cli.Stdout, p.json, m.Labels(), files)
	failed := 0
	for some := range slices.Chunk(files, atOnce) {
		if err := classifyFiles(m, some, p.top); err != nil {
			return err
		}
		for _, f := range some {
			if err := out.write(f); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
			if f.Error == "" {
				continue
			}
			if len(files) == 1 {
				return fmt.Errorf("%s: %s", printable(f.Name), f.Error)
			}
			failed++
			cli.Stderr.Printf("lamina predict: %s: %s\n", printable(f.Name), f.Error)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d images could not be classified", failed, len(files))
	}
	return nil
}

// atOnce is how many images are in memory, prepared, at most.
const atOnce = 128

// classifyFiles sets the classes of the files, or their errors. It reads some while others are
// classified.
func classifyFiles(m *classify.Model, files []*imageFile, top int) error {
	var reading, classifying errgroup.Group
	reading.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range files {
		if f.Error != "" {
			continue
		}
		reading.Go(func() error {
			x, err := f.load(m)
			if f.fail(err); err == nil {
				classifying.Go(func() error { return f.classify(m, x, top) })
			}
			return nil
		})
	}
	reading.Wait()
	return classifying.Wait()
}

// classify sets the classes of a prepared image. An error is one of the model.
func (f *imageFile) classify(m *classify.Model, image []float32, top int) error {
	results, err := m.ClassifyPrepared(context.Background(), image)
	switch {
	case errors.Is(err, classify.ErrNotFinite):
		f.fail(err)
		return nil
	case err == nil:
		f.Classes = results[0].Top(top)
	}
	return err
}
