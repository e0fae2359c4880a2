package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/classify"
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
FILE is a PNG, JPEG, WebP or GIF image (of an animated GIF the first frame), a
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
	files := listImages(p.files)
	out := newTable(cli.Stdout, p.json, m.Labels(), files)
	failed := 0
	for batch := range slices.Chunk(files, m.Batch()) {
		if err := classifyFiles(m, batch, p.top); err != nil {
			return err
		}
		for _, f := range batch {
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

// classifyFiles reads the files, at most a batch, and sets their classes or errors.
func classifyFiles(m *classify.Model, files []*imageFile, top int) error {
	var images []float32
	var good []*imageFile
	for i, x := range loadAll(m, files) {
		if x != nil {
			images, good = append(images, x...), append(good, files[i])
		}
	}
	predictions, err := m.Classify(images)
	if err != nil {
		return err
	}
	for i, f := range good {
		f.Classes, err = predictions[i].Top(top)
		f.fail(err)
	}
	return nil
}
