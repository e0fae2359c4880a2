package main

import (
	"fmt"
	"path/filepath"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
	"github.com/lamina-go/lamina/tensor"
)

// need is what a part of a network needs by the reference's estimate: a layer with its normalization,
// activation and dropout, which work in place.
type need struct {
	name       string
	output     tensor.Shape // of one image
	parameters int
}

// needs lists the parts of a network, the image first.
func needs(network *nn.Network) []need {
	all := []need{{name: "input", output: network.Input}}
	for _, layer := range network.Table {
		trainable, other := layer.Parameters()
		switch layer.Class {
		case "Conv2D", "Dense", "MaxPooling2D":
			all = append(all, need{layer.Name, layer.Output, trainable + other})
		default:
			all[len(all)-1].parameters += trainable + other
		}
	}
	return all
}

// bytes returns the estimate for a batch: each parameter thrice, for its weight, gradient and velocity,
// each output of an image twice, forward and backward; four bytes each.
func (n need) bytes(batch int) int { return 4 * (3*n.parameters + 2*batch*n.output.Size()) }

// sized is a backend that tells how much memory it has taken.
type sized interface{ Bytes() int }

// maxBatch keeps the bytes of a batch in the range of numbers, and is far from any memory.
const maxBatch = 1 << 30

// memory compares the estimate for a network with what training it takes.
func (c *command) memory() error {
	if err := cli.AtMost("batch", c.settings.Batch, maxBatch); err != nil {
		return cli.Usage(err)
	}
	network, err := c.settings.Network(cifar.Classes())
	if err != nil {
		return err
	}
	lock, err := c.openOut()
	if err != nil {
		return err
	}
	defer lock.Close()
	estimate := estimateTable(needs(network), c.settings.Batch)
	if err := printTable(estimate); err != nil {
		return err
	}
	fmt.Println()
	b, err := c.settings.Options.Open(nil)
	if err != nil {
		return err
	}
	defer b.Close()
	measured, ok := b.(sized)
	if !ok {
		return fmt.Errorf("--backend %s: it does not tell how much memory it takes: use cpu", c.settings.Backend)
	}
	m := &meter{b, measured, &uses{}}
	if err := prepare(m, network, c.settings); err != nil {
		return err
	}
	fact := factTable(m, needs(network), c.settings.Batch)
	page := report.Page{
		Title: fmt.Sprintf("Memory of %s at batch %d", c.settings.Model, c.settings.Batch),
		Lead: []string{"The experiments are those of a Keras program. Its estimate is parameters × 3, for weights, gradients and " +
			"velocities, and outputs × batch × 2, for forward and backward, of 4 bytes each. What is allocated is what " +
			b.Name() + " takes for training with these settings, measured."},
		Tables: []report.Table{fact, estimate},
	}
	if err := printTable(fact); err != nil {
		return err
	}
	if err := save(c.out, reportName, page.HTML); err != nil {
		return err
	}
	fmt.Printf("\nreport    %s\n", filepath.Join(c.out, reportName))
	return nil
}

// prepare makes all that training needs, on as few images as fill a batch.
func prepare(b backend.Backend, network *nn.Network, s run.Settings) error {
	setup, err := s.Training(cifar.Shapes(s.Seed, 1, 1))
	if err != nil {
		return err
	}
	setup.Data, setup.Validation = many{setup.Data, s.Batch}, many{setup.Validation, s.Batch}
	_, err = nn.NewTrainer(b, network, setup)
	return err
}

// many are so many images, none of which is asked for.
type many struct {
	nn.Data
	n int
}

// Len returns how many there are.
func (m many) Len() int { return m.n }

// meter is a backend that knows what its memory is for.
type meter struct {
	backend.Backend
	sized
	*uses
}

// uses are the bytes of a backend and its scopes by what they are for.
type uses struct{ parameters, activations int }

// Scope returns a scope of the backend, whose tensors count.
func (m *meter) Scope() backend.Backend { return &meter{m.Backend.Scope(), m.sized, m.uses} }

// Parameters makes a tensor.
func (m *meter) Parameters(shape tensor.Shape) (tensor.Tensor, error) {
	before := m.Bytes()
	t, err := m.Backend.Parameters(shape)
	m.parameters += m.Bytes() - before
	return t, err
}

// Activations makes a tensor.
func (m *meter) Activations(shape tensor.Shape) (tensor.Tensor, error) {
	before := m.Bytes()
	t, err := m.Backend.Activations(shape)
	m.activations += m.Bytes() - before
	return t, err
}

func estimateTable(all []need, batch int) report.Table {
	t := report.Table{Title: "Estimate by layer", Head: []string{"layer", "output", "parameters", "numbers out", "memory"}}
	var parameters, outputs, bytes int
	for _, n := range all {
		parameters += n.parameters
		outputs += n.output.Size()
		bytes += n.bytes(batch)
		t.Rows = append(t.Rows, []report.Cell{report.Text(n.name), report.Text(n.output.String()),
			report.Number(nn.Thousands(n.parameters)), report.Number(nn.Thousands(n.output.Size())), report.Number(megabytes(n.bytes(batch)))})
	}
	t.Rows = append(t.Rows, []report.Cell{report.Text("sum"), report.Text(""),
		report.Number(nn.Thousands(parameters)), report.Number(nn.Thousands(outputs)), report.Number(megabytes(bytes))})
	t.Notes = []string{"Normalization, activation and dropout belong to the layer before them. Numbers out are those of one image."}
	return t
}

func factTable(m *meter, all []need, batch int) report.Table {
	var parameters, outputs int
	for _, n := range all {
		parameters += 4 * 3 * n.parameters
		outputs += n.bytes(batch) - 4*3*n.parameters
	}
	t := report.Table{Title: "Estimate and fact", Head: []string{"what", "estimate", "allocated"}}
	for _, row := range []struct {
		what           string
		estimate, fact int
	}{
		{"weights, gradients, velocities", parameters, m.parameters},
		{"outputs of layers and their gradients", outputs, m.activations},
		{"working memory of the kernels", 0, m.Bytes() - m.parameters - m.activations},
		{"sum", parameters + outputs, m.Bytes()},
	} {
		t.Rows = append(t.Rows, []report.Cell{report.Text(row.what), report.Number(megabytes(row.estimate)), report.Number(megabytes(row.fact))})
	}
	t.Notes = []string{"Here gradients of weights have one place in turns and that of an output takes its place, while normalization keeps what it was given besides what it gives. With bf16 the working memory has a copy of the weights."}
	return t
}

func megabytes(n int) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
