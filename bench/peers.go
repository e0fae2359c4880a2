package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/ops"
)

//go:embed peers/*.py
var scripts embed.FS

// contender is a program that measures one network and prints a result.
type contender struct {
	command []string
	best    result // of the turns so far
}

// turn runs the program once more.
func (c *contender) turn(o *options) error {
	args := []string{"--batch", strconv.Itoa(o.batch), "--threads", strconv.Itoa(o.threads), "--precision", o.precision}
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
	if err := json.Unmarshal(out, &r); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	c.count(r)
	return nil
}

// lastLine returns the last line of a text: after a trace of calls Python tells there what is wrong.
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

// label names the program, with the layout of its tensors if it has a choice.
func (c *contender) label() string {
	if c.best.Layout == "" {
		return c.best.Framework
	}
	return c.best.Framework + ", " + c.best.Layout
}

// printNetworks prints images per second and peak memory of each network, in training and in
// inference. Each turn of each program is a process of its own.
func printNetworks(commands [][]string, o *options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Printf("\nNetworks, batch %d, %s: best of %d × %v, and the peak memory of the process\n",
		o.batch, cores(o.threads), o.runs, runTime)
	fmt.Printf("%-8s  %-5s  %-44s  %8s  %7s  %7s\n", "network", "pass", "", "images/s", "MB", "ratio")
	measured := passes[:]
	if o.batch == 1 {
		measured = passes[1:] // PyTorch does not train on one image: BatchNorm has nothing to normalize by
	}
	for _, model := range o.models {
		for _, pass := range measured {
			contenders := []*contender{{command: []string{self, "--models", model, "--measure", pass}}}
			contenders = append(contenders, peers(commands, model, pass)...)
			for range o.runs {
				for _, c := range contenders {
					if err := c.turn(o); err != nil {
						return err
					}
				}
			}
			printContenders(model, pass, contenders)
		}
	}
	return nil
}

// printContenders prints a line for each program: ours first, then the others and how many
// times as fast ours is.
func printContenders(model, pass string, contenders []*contender) {
	ours := contenders[0].best
	for i, c := range contenders {
		ratio := ""
		if i > 0 {
			ratio = fmt.Sprintf("%.2f x", ours.ImagesPerSecond/c.best.ImagesPerSecond)
		}
		fmt.Printf("%-8s  %-5s  %-44s  %8.1f  %7.0f  %7s\n", model, pass, c.label(), c.best.ImagesPerSecond, c.best.PeakMB, ratio)
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

// peerCommands writes the scripts to a folder and returns a command for each Python: that of
// PyTorch if it has it, else that of Keras.
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
			err = errors.New("it has neither torch nor keras: see bench/peers")
		}
		if err != nil {
			return nil, fmt.Errorf("--peers %s: %w", python, err)
		}
		commands = append(commands, []string{python, filepath.Join(dir, "peers", framework+"_vgg.py"), "--isa", isa})
	}
	return commands, nil
}
