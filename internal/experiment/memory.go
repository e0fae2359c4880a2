package experiment

import (
	"fmt"
	"path/filepath"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/digits"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
	"github.com/lamina-go/lamina/tensor"
)

// MemoryName is the experiment that compares the memory of a network with an estimate.
const MemoryName = "memory"

// MemoryFlags lists the flags of a run that affect its memory.
func MemoryFlags() []string {
	return []string{"model", "bn", "dropout", "batch", "backend", "threads", "precision", "conv-algo", "deterministic"}
}

// need is the memory of a layer by the reference's estimate, in which normalization, activation and
// dropout work in place.
type need struct {
	name       string
	output     tensor.Shape // of one image
	parameters int
}

// needs lists the layers of a network, the image first.
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

// bytes returns the estimate for a batch, of four bytes each: weight, gradient and velocity of each
// parameter, and each output twice, forward and backward.
func (n need) bytes(batch int) int { return 4 * (3*n.parameters + 2*batch*n.output.Size()) }

// sized is a backend that reports the memory it has allocated.
type sized interface{ Bytes() int }

// maxBatch keeps the bytes of a batch from overflowing, and exceeds any memory.
const maxBatch = 1 << 30

// Memory compares the estimate for a network with what training allocates, and writes the page to
// the folder out.
func Memory(s run.Settings, out string) error {
	if err := cli.AtMost("batch", s.Batch, maxBatch); err != nil {
		return cli.Usage(err)
	}
	network, err := s.Network(cifar.Classes())
	if err != nil {
		return err
	}
	lock, err := openOut(out)
	if err != nil {
		return err
	}
	defer lock.Close()
	estimate := estimateTable(needs(network), s.Batch)
	if err := printTable(estimate); err != nil {
		return err
	}
	cli.Stdout.Printf("\n")
	b, err := s.Options.Open(nil)
	if err != nil {
		return err
	}
	defer b.Close()
	measured, ok := b.(sized)
	if !ok {
		return fmt.Errorf("--backend %s: it does not report its memory: use cpu", s.Backend)
	}
	m := &meter{b, measured, &uses{}}
	if err := prepare(m, network, s); err != nil {
		return err
	}
	fact := factTable(m, needs(network), s.Batch)
	page := report.Page{
		Title: fmt.Sprintf("Memory of %s at batch %d", s.Model, s.Batch),
		Lead: []string{"The experiments are those of a Keras program. Its estimate is 4 bytes × (3 × parameters, for weights, " +
			"gradients and velocities, + 2 × batch × outputs, for forward and backward). The second column is what " +
			b.Name() + " allocates for training with these settings."},
		Parts: []report.Part{fact, estimate},
	}
	if err := printTable(fact); err != nil {
		return err
	}
	if err := save(out, reportName, page.HTML); err != nil {
		return err
	}
	cli.Stdout.Printf("\nreport    %s\n", filepath.Join(out, reportName))
	return nil
}

// prepare allocates all that training needs.
func prepare(b backend.Backend, network *nn.Network, s run.Settings) error {
	setup, err := s.Training(cifar.Shapes(s.Seed, 1, 1))
	if err != nil {
		return err
	}
	setup.Data, setup.Validation = many{setup.Data, s.Batch}, many{setup.Validation, s.Batch}
	_, err = nn.NewTrainer(b, network, setup)
	return err
}

// many claims to be n images, which nobody reads.
type many struct {
	nn.Data
	n int
}

// Len returns the number of images.
func (m many) Len() int { return m.n }

// meter is a backend that counts what its memory is for.
type meter struct {
	backend.Backend
	sized
	*uses
}

// uses are the bytes of a backend and its scopes by what they are for.
type uses struct{ parameters, activations int }

// Scope returns a scope of the backend, whose tensors count too.
func (m *meter) Scope() backend.Backend { return &meter{m.Backend.Scope(), m.sized, m.uses} }

// Parameters allocates a tensor.
func (m *meter) Parameters(shape tensor.Shape) (tensor.Tensor, error) {
	before := m.Bytes()
	t, err := m.Backend.Parameters(shape)
	m.parameters += m.Bytes() - before
	return t, err
}

// Activations allocates a tensor.
func (m *meter) Activations(shape tensor.Shape) (tensor.Tensor, error) {
	before := m.Bytes()
	t, err := m.Backend.Activations(shape)
	m.activations += m.Bytes() - before
	return t, err
}

func estimateTable(all []need, batch int) report.Table {
	t := report.Table{Title: "Estimate by layer",
		Head: []string{"layer", "output", "parameters", "elements out", "memory"}}
	var parameters, outputs, bytes int
	for _, n := range all {
		parameters += n.parameters
		outputs += n.output.Size()
		bytes += n.bytes(batch)
		t.Rows = append(t.Rows, []report.Cell{report.Text(n.name), report.Text(n.output.String()),
			report.Number(digits.Group(n.parameters)), report.Number(digits.Group(n.output.Size())), report.Number(megabytes(n.bytes(batch)))})
	}
	t.Rows = append(t.Rows, []report.Cell{report.Text("sum"), report.Text(""),
		report.Number(digits.Group(parameters)), report.Number(digits.Group(outputs)), report.Number(megabytes(bytes))})
	t.Notes = []string{"Normalization, activation and dropout belong to the layer before them. Elements out are those of one image."}
	return t
}

func factTable(m *meter, all []need, batch int) report.Table {
	var parameters, outputs int
	for _, n := range all {
		parameters += 4 * 3 * n.parameters
		outputs += n.bytes(batch) - 4*3*n.parameters
	}
	t := report.Table{Title: "Estimate and allocation", Head: []string{"what", "estimate", "allocated"}}
	for _, row := range []struct {
		what           string
		estimate, fact int
	}{
		{"weights, gradients, velocities", parameters, m.parameters},
		{"outputs of layers and their gradients", outputs, m.activations},
		{"workspace of the kernels", 0, m.Bytes() - m.parameters - m.activations},
		{"sum", parameters + outputs, m.Bytes()},
	} {
		t.Rows = append(t.Rows, []report.Cell{report.Text(row.what), report.Number(megabytes(row.estimate)),
			report.Number(megabytes(row.fact))})
	}
	t.Notes = []string{"The gradients of all weights share one buffer, and the gradient of an output reuses the output's buffer; " +
		"normalization keeps its input besides its output. With bf16 the workspace includes a copy of the weights."}
	return t
}

func megabytes(n int) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
