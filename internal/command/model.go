package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/internal/infile"
)

// model is a model of the command line, with what the flags say of its images.
type model struct {
	device.Options
	path      string
	labels    string // a file
	mean, std []float32
}

// groups binds the flags that all commands with a model share.
func (m *model) groups() []cli.Group {
	g := cli.NewGroup("Model")
	g.StringVar(&m.labels, "labels", m.labels, "`FILE` names of the classes, one per line (default the model's)")
	perChannel := func(values *[]float32) func(string) error {
		return func(text string) (err error) {
			*values, err = cli.PerChannel(text, cifar.Channels)
			if err == nil && !strings.Contains(text, ",") {
				*values = (*values)[:1] // for all channels, however many the model has
			}
			return err
		}
	}
	g.Func("mean", "`R,G,B` subtracted from pixels of 0 to 255, or one value for all (default the model's)",
		perChannel(&m.mean))
	g.Func("std", "`R,G,B` divisors of the pixels afterwards, or one for all (default the model's)", perChannel(&m.std))
	return []cli.Group{g, m.Options.Flags()}
}

// check reports the first invalid flag, and takes the first argument as the model.
func (m *model) check(f *pflag.FlagSet) error {
	m.path = f.Arg(0)
	for _, v := range m.std {
		if !(v > 0) {
			return fmt.Errorf("--std %v: must be above 0", v)
		}
	}
	return m.Options.Check()
}

// open opens the backend and the model, and prints what the user should know of the model.
func (m *model) open(command string) (*classify.Model, backend.Backend, error) {
	b, err := m.Options.Open(nil)
	if err != nil {
		return nil, nil, err
	}
	opened, err := m.openOn(b)
	if err != nil {
		b.Close()
		return nil, nil, err
	}
	for _, note := range opened.Notes() {
		cli.Stderr.Printf("lamina %s: %s: %s\n", command, m.path, note)
	}
	if opened.Guessed().Preparation {
		cli.Stderr.Printf("lamina %s: %s does not record how pixels are prepared: assuming %s\n", command, m.path,
			assumption(command, opened.Input()[2]))
	}
	return opened, b, nil
}

// assumption says how pixels of so many channels are prepared, with what a command advises.
func assumption(command string, channels int) string {
	if channels == 1 {
		return "that they are divided by 255; --mean and --std change that"
	}
	text := "ImageNet's mean, subtracted; many models for CIFAR need --mean 0 --std 255 instead"
	if command != "evaluate" {
		text += ", and lamina evaluate compares the usual preparations"
	}
	return text
}

func (m *model) openOn(b backend.Backend) (*classify.Model, error) {
	labels, err := m.readLabels()
	if err != nil {
		return nil, err
	}
	opened, err := classify.Open(m.path, classify.Options{Backend: b, Mean: m.mean, Std: m.std, Labels: labels})
	if errors.Is(err, classify.ErrLabels) {
		err = fmt.Errorf("--labels %s: %w", m.labels, err)
	}
	return opened, err
}

// readLabels returns the lines of the file of --labels, nil without one.
func (m *model) readLabels() ([]string, error) {
	if m.labels == "" {
		return nil, nil
	}
	text, err := infile.ReadFile(m.labels)
	if err != nil {
		return nil, fmt.Errorf("--labels %s: %w", m.labels, infile.Cause(err))
	}
	labels := []string{}
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) { // a byte-order mark, as on Windows
		if line = strings.TrimSpace(line); line != "" {
			labels = append(labels, line)
		}
	}
	return labels, nil
}
