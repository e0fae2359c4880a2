package bench

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/onnx"
	"github.com/lamina-go/lamina/ops"
)

//go:embed peers/*.py
var scripts embed.FS

// contender is a program that measures one network and prints a result.
type contender struct {
	command []string
	best    result // of the turns so far
}

// turn runs the program once.
func (c *contender) turn(o *Options) error {
	args := []string{"--batch", strconv.Itoa(o.Batch), "--threads", strconv.Itoa(o.Threads), "--precision", o.Precision}
	if c.best.Layout != "" {
		args = append(args, "--layout", c.best.Layout)
	}
	cmd := exec.Command(c.command[0], append(c.command[1:len(c.command):len(c.command)], args...)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, lastLine(complaints.String()))
	}
	var r result
	if err := infile.JSON(out, &r); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	c.count(r)
	return nil
}

// lastLine returns the last line of a text, which is Python's error after a traceback.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndex(text, "\n")+1:]
}

// count takes what a turn measured.
func (c *contender) count(r result) {
	if c.best.Framework != "" {
		r.ImagesPerSecond = max(r.ImagesPerSecond, c.best.ImagesPerSecond)
		r.PeakMB = min(r.PeakMB, c.best.PeakMB)
	}
	c.best = r
}

// label names the program, with the layout of its tensors if it has several.
func (c *contender) label() string {
	if c.best.Layout == "" {
		return c.best.Framework
	}
	return c.best.Framework + ", " + c.best.Layout
}

// printNetworks prints images per second and peak memory of each network, in training and in
// inference. Each turn of each program is a process of its own.
func printNetworks(out *output, all []peer, o *Options) error {
	out.title(fmt.Sprintf("Networks, batch %d, %s, %s: best of %d × %v, and the peak memory of the process",
		o.Batch, o.Precision, cores(o.Threads), o.Runs, runTime), "")
	t := out.table(text("network", 8), text("pass", 5), text("program", 44), number("images/s", 8),
		number("MB", 7), number("ratio", 7))
	measured := passes[:]
	if o.Batch == 1 {
		measured = passes[1:] // one image has no batch statistics: PyTorch refuses to train
	}
	for _, model := range o.Models {
		for _, pass := range measured {
			contenders := []*contender{{command: append(slices.Clip(o.Self), "--models", model, "--measure", pass)}}
			others, err := peers(all, o, model, pass)
			if err != nil {
				return err
			}
			contenders = append(contenders, others...)
			for range o.Runs {
				for _, c := range contenders {
					if err := c.turn(o); err != nil {
						return err
					}
				}
			}
			addContenders(t, model, pass, contenders)
		}
	}
	return nil
}

// addContenders adds a row for each program: ours first, then the others with our speed relative to
// theirs.
func addContenders(t *table, model, pass string, contenders []*contender) {
	ours := contenders[0].best
	for i, c := range contenders {
		ratio := ""
		if i > 0 {
			ratio = fmt.Sprintf("%.2f x", ours.ImagesPerSecond/c.best.ImagesPerSecond)
		}
		t.row(model, pass, c.label(), fmt.Sprintf("%.1f", c.best.ImagesPerSecond),
			fmt.Sprintf("%.0f", c.best.PeakMB), ratio)
	}
}

// peer is a framework of a Python that the user names.
type peer struct {
	python, framework string
	dir               string // of the scripts, and of the ONNX models
	isa               string
}

// frameworks are the peers that a Python may have. Where PyTorch is installed, Keras does not
// count.
var frameworks = []string{"torch", "keras", "onnxruntime", "openvino"}

// runsONNX reports whether the framework runs ONNX models, and so measures inference only.
func (p peer) runsONNX() bool { return p.framework == "onnxruntime" || p.framework == "openvino" }

// program returns the program for one of passes.
func (p peer) program(model, pass string) *contender {
	script := func(name string) string { return filepath.Join(p.dir, "peers", name) }
	command := []string{p.python, script(p.framework + "_peer.py")}
	if p.runsONNX() {
		command = []string{p.python, script("onnx_peer.py"), p.framework, p.model(model)}
	}
	return &contender{command: append(command, "--isa", p.isa,
		"--model", model, "--mode", pass, "--runs", "1", "--seconds", fmt.Sprint(runTime.Seconds()))}
}

// model returns the path of a network as an ONNX model.
func (p peer) model(name string) string { return filepath.Join(p.dir, name+".onnx") }

// peers returns the programs of the peers that can measure one of passes.
func peers(all []peer, o *Options, model, pass string) (programs []*contender, err error) {
	for _, p := range all {
		if p.runsONNX() && (pass == "train" || o.Precision != "fp32") {
			continue
		}
		if p.runsONNX() {
			if err := exportNetwork(model, p.model(model)); err != nil {
				return nil, err
			}
		}
		programs = append(programs, p.program(model, pass))
	}
	return programs, nil
}

// exportNetwork writes a network as an ONNX model, with the layout that its readers prefer.
func exportNetwork(model, path string) error {
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		return err
	}
	defer b.Close()
	net, err := buildNetwork(model)
	if err != nil {
		return err
	}
	m, err := nn.NewModel(b, net)
	if err != nil {
		return err
	}
	if err := m.Init(nn.HeNormal(), 1); err != nil {
		return err
	}
	return onnx.Save(path, m, onnx.Options{Layout: onnx.NCHW})
}

// findPeers writes the scripts to a folder and returns what each Python has.
func findPeers(dir string, level ops.Level, pythons []string) (all []peer, err error) {
	if err := os.CopyFS(dir, scripts); err != nil {
		return nil, err
	}
	isa := "best"
	if level == ops.AVX2 {
		isa = "avx2"
	}
	for _, python := range pythons {
		out, err := exec.Command(python, append([]string{"-c",
			"import sys; from importlib.util import find_spec as f; print(*[n for n in sys.argv[1:] if f(n)])"}, frameworks...)...).Output()
		found := strings.Fields(string(out))
		if slices.Contains(found, "torch") {
			found = slices.DeleteFunc(found, func(name string) bool { return name == "keras" })
		}
		if err == nil && len(found) == 0 {
			err = errors.New("none of torch, keras, onnxruntime and openvino is installed: see bench/peers")
		}
		if err != nil {
			return nil, fmt.Errorf("--peers %s: %w", python, err)
		}
		for _, framework := range found {
			all = append(all, peer{python, framework, dir, isa})
		}
	}
	return all, nil
}
