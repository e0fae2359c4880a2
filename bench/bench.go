// Package bench measures the engine on this machine: the peak of multiply-adds, matrix products,
// convolutions by shape, the rates of networks, and the time of a training step by layer. It can
// measure PyTorch, Keras, ONNX Runtime and OpenVINO beside it. It prints tables.
package bench

import (
	"fmt"
	"io"
	"os"

	"github.com/lamina-go/lamina/ops"
)

// Options say what to measure, and how.
type Options struct {
	Tables     []string // some of [Tables]
	Models     []string // the networks of the table networks, of [Networks]
	StepModels []string // the networks of the table step, which takes long
	Batch      int      // images per step; with 1, networks are measured in inference only
	Threads    int
	Precision  string   // of activations: fp32 or bf16
	Runs       int      // of each network or algorithm, alternating with the others; the best counts
	Peers      []string // Python interpreters with some of torch, keras, onnxruntime and openvino
	Markdown   bool
	Command    string   // the command of the user, for the Markdown
	Self       []string // the command that calls Measure with the flags --models MODEL --measure PASS
}

// Tables lists what [Run] can measure.
func Tables() []string { return []string{"gemm", "conv", "networks", "step"} }

// Run measures and prints the tables as they fill.
func Run(o *Options, w io.Writer) error {
	level, err := ops.Best()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lamina-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, err := findPeers(dir, level, o.Peers)
	if err != nil {
		return err
	}
	out := &output{w, o.Markdown}
	printMachine(out, level, o)
	peaks := printPeaks(out, o.Threads)
	products := level // the level whose peak limits the products of the networks
	if o.Precision == "fp32" {
		products = level.Float()
	}
	for _, table := range o.Tables {
		switch table {
		case "gemm":
			err = printGEMM(out, peaks, o.Threads)
		case "conv":
			err = printConvolutions(out, level, peaks[products], o)
		case "networks":
			err = printNetworks(out, all, o)
		case "step":
			err = printSteps(out, level, peaks[products], all, o)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}
