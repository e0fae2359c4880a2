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

	"github.com/lamina-go/lamina/internal/infile"
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
func printNetworks(out *output, commands [][]string, o *Options) error {
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
			contenders = append(contenders, peers(commands, model, pass)...)
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

// peers returns the programs of the given commands for one of passes.
func peers(commands [][]string, model, pass string) (programs []*contender) {
	for _, c := range commands {
		programs = append(programs, &contender{command: append(c[:len(c):len(c)],
			"--model", model, "--mode", pass, "--runs", "1", "--seconds", fmt.Sprint(runTime.Seconds()))})
	}
	return programs
}

// peerCommands writes the scripts to a folder and returns a command for each Python: PyTorch's if
// it is installed, else Keras's.
func peerCommands(dir string, level ops.Level, pythons []string) (commands [][]string, err error) {
	if err := os.CopyFS(dir, scripts); err != nil {
		return nil, err
	}
	isa := "best"
	if level == ops.AVX2 {
		isa = "avx2"
	}
	for _, python := range pythons {
		found, err := exec.Command(python, "-c",
			"from importlib.util import find_spec as f; print(f('torch') and 'torch' or f('keras') and 'keras')").Output()
		framework := strings.TrimSpace(string(found))
		if err == nil && framework == "None" {
			err = errors.New("neither torch nor keras is installed: see bench/peers")
		}
		if err != nil {
			return nil, fmt.Errorf("--peers %s: %w", python, err)
		}
		commands = append(commands, []string{python, filepath.Join(dir, "peers", framework+"_vgg.py"), "--isa", isa})
	}
	return commands, nil
}
