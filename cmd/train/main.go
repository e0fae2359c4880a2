// Command train trains VGG networks on CIFAR-10, on folders of pictures or on shapes drawn in
// memory. A run lives in a folder and can be stopped and resumed at any moment. See --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/nn"
)

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "train:", strings.ReplaceAll(err.Error(), "\n", "; "))
	switch usage := (usageError{}); {
	case errors.As(err, &usage):
		os.Exit(2)
	case errors.Is(err, errInterrupted):
		os.Exit(130) // as shells tell of Ctrl-C
	}
	os.Exit(1)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

// errInterrupted says that the user stopped the program.
var errInterrupted = errors.New("interrupted")

func run(args []string) (err error) {
	c, err := parse(args)
	if err != nil {
		return usageError{err}
	}
	if c.help {
		fmt.Print(help())
		return nil
	}
	defer func() {
		failure := recover()
		if failure != nil && c.verbose {
			panic(failure)
		}
		if failure != nil {
			what, _, _ := strings.Cut(fmt.Sprint(failure), "\n")
			err = fmt.Errorf("a fault of this program: %s: please report it, with what --verbose adds", what)
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // so that another Ctrl-C ends the program at once
		fmt.Println("\nstopping: this step is finished and saved; Ctrl-C again ends at once")
	})

	var dir *runDir
	if c.resume != "" {
		if dir, err = openRunDir(c.resume); err != nil {
			return err
		}
		defer dir.Close()
		if err := c.adopt(dir.config.Settings); err != nil {
			return err
		}
	}
	if c.summary {
		return printSummary(ctx, &c.settings)
	}
	b, err := openBackend(&c.settings)
	if err != nil {
		return err
	}
	defer b.Close()
	if dir == nil {
		if dir, err = newRunDir(c.out, newConfig(c.settings, b.Name())); err != nil {
			return err
		}
		defer dir.Close()
	}
	return train(ctx, c, dir, b)
}

// interruption returns errInterrupted in place of an error that comes from the end of ctx.
func interruption(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, ctx.Err())) {
		return errInterrupted
	}
	return err
}

// train trains from where the run in dir stands, and tells how it goes.
func train(ctx context.Context, c *command, dir *runDir, b backend.Backend) (err error) {
	defer func() {
		if err != nil && dir.begun && !dir.hasCheckpoint() {
			dir.discard()
		}
	}()
	out := newReport(c, os.Stdout)
	defer out.endBar()
	data, err := c.data(ctx, out.download)
	if err != nil {
		return interruption(ctx, err)
	}
	network, err := c.network(data.Classes)
	if err != nil {
		return err
	}
	setup, err := c.training(data)
	if err != nil {
		return err
	}
	var t *nn.Trainer
	setup.Checkpoint, setup.CheckpointEvery = dir.file(checkpointName), c.saveEvery
	setup.OnStep = out.step
	setup.OnEpoch = func(row nn.Row) error {
		out.epoch(row)
		return dir.writeHistory(t.History)
	}
	if t, err = nn.NewTrainer(b, network, setup); err != nil {
		return err
	}
	if dir.hasCheckpoint() {
		if err := t.Resume(setup.Checkpoint); err != nil {
			return err
		}
	}
	if err := errors.Join(dir.update(c.settings), dir.writeHistory(t.History)); err != nil {
		return err
	}
	out.begin(b, network, data, dir, t)
	if err := interruption(ctx, t.Run(ctx)); err != nil {
		return dir.advise(err)
	}
	out.end(dir, t)
	return nil
}
