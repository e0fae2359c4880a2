package command

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/onnx"
)

const exportUsage = `Write a model to a file for other programs. The name selects the format:

  .onnx         ONNX, for ONNX Runtime, OpenVINO and others: pixels from 0 to
                255 go in, probabilities come out, the metadata has the labels
  .keras, .h5   Keras
  .safetensors  weights, with the network as metadata

Usage: lamina export MODEL FILE [flags]

  lamina export runs/vgg16-20260102-150405 model.onnx
  lamina export model.keras model.onnx --layout nchw

` + modelHelp

const onnxSuffix = ".onnx"

type export struct {
	model
	file   string
	layout string
}

func newExport() *export {
	return &export{model: model{Options: device.Defaults()}, layout: string(onnx.NHWC)}
}

// command binds the flags to e, whose values are the defaults.
func (e *export) command() *cli.Command {
	g := cli.NewGroup("Export")
	g.StringVar(&e.layout, "layout", e.layout, "`ORDER` of the axes of an ONNX model's images: nhwc or nchw")
	return &cli.Command{Name: "export", Summary: "write a model as ONNX or Keras", Usage: exportUsage,
		Flags: append([]cli.Group{g}, e.groups()...), Check: e.check, Run: e.run}
}

// check completes and checks the command line.
func (e *export) check(f *pflag.FlagSet) error {
	switch f.NArg() {
	case 0:
		return errNoModel
	case 1:
		return errors.New("no file: name one that ends in .onnx, .keras, .h5 or .safetensors, after the model")
	case 2:
	default:
		return unexpected(f.Arg(2))
	}
	e.file = f.Arg(1)
	if filepath.Ext(e.file) != onnxSuffix {
		if f.Changed("layout") {
			return errors.New("--layout requires a FILE that ends in .onnx")
		}
		if keras.CheckPath(e.file) != nil {
			return fmt.Errorf("%s: the name must end in .onnx, .keras, .h5 or .safetensors, which selects the format", e.file)
		}
	}
	return cmp.Or(cli.OneOf("layout", e.layout, string(onnx.NHWC), string(onnx.NCHW)), e.model.check(f))
}

func (e *export) run(*cli.Call) error {
	if err := atomicfile.Check(e.file); err != nil {
		return fmt.Errorf("%w: name a file in a writable folder", err)
	}
	labels, err := e.readLabels()
	if err != nil {
		return err
	}
	b, err := e.Options.Open(nil)
	if err != nil {
		return err
	}
	defer b.Close()
	m, notes, err := classify.ReadModel(b, e.path)
	if err != nil {
		return err
	}
	if m, err = e.described(m, labels); err != nil {
		return err
	}
	for _, note := range notes {
		cli.Stderr.Printf("lamina export: %s: %s\n", e.path, note)
	}
	if m.Mean == nil {
		cli.Stderr.Printf("lamina export: %s does not record how pixels are prepared: %s takes prepared ones, "+
			"unless --mean and --std are given\n", e.path, e.file)
	}
	if filepath.Ext(e.file) == onnxSuffix {
		return onnx.Save(e.file, m, onnx.Options{Layout: onnx.Layout(e.layout)})
	}
	return keras.Save(e.file, m, nil)
}

// described returns the model with what the flags say of its images.
func (e *export) described(m *nn.Model, labels []string) (*nn.Model, error) {
	if labels != nil && len(labels) != m.Classes {
		return nil, fmt.Errorf("--labels %s: %d labels for the %d classes of %s", e.labels, len(labels), m.Classes, e.path)
	}
	if e.mean == nil && e.std == nil {
		return m.Describe(labels, nil, nil)
	}
	channels := m.Input[2]
	values := func(flag string, given, own []float32, neutral float32) ([]float32, error) {
		switch {
		case given == nil && own != nil:
			return own, nil
		case given == nil:
			given = []float32{neutral}
		case len(given) != 1 && len(given) != channels:
			return nil, fmt.Errorf("--%s: %d values for the %d channels of %s", flag, len(given), channels, e.path)
		}
		return slices.Repeat(given, channels/len(given)), nil
	}
	mean, err := values("mean", e.mean, m.Mean, 0)
	if err != nil {
		return nil, err
	}
	std, err := values("std", e.std, m.Std, 1)
	if err != nil {
		return nil, err
	}
	return m.Describe(labels, mean, std)
}
