package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
)

const usage = `Tell what is on pictures, with a network that train has trained.

Usage: predict MODEL PICTURE... [flags]
       predict MODEL --evaluate DATA [flags]
       predict MODEL --serve ADDRESS [flags]

  predict runs/vgg16-20260102-150405 cat.png photos   two files and all pictures below a folder
  curl -s example.org/cat.jpg | predict runs/vgg16-20260102-150405 -
  predict model.h5 --std 255 cat.png                  a model of Keras's, trained on pixels from 0 to 1
  predict model.lamina --evaluate shapes              loss, accuracy, a table of classes and confusion.png
  predict model.lamina --serve 8080                   a page at http://127.0.0.1:8080, and JSON for programs

MODEL is the folder of a run, a checkpoint (.lamina), or a whole model of Keras's (.h5, .keras) or in safetensors.
Pictures are PNG, JPEG, WebP or GIF (its first frame), of any size: they are resized to what the network
takes, and laid on black where they are transparent.
`

// command is what the command line asks for.
type command struct {
	device.Options
	model           string
	pictures        []string
	evaluate, serve string
	confusion       string
	limit, top      int
	json            bool
	labels          string
	mean, std       []float32
	verbose         bool
	flags           *pflag.FlagSet // as the command line set them
}

func newCommand() *command {
	return &command{Options: device.Defaults(), top: 3, confusion: "confusion.png"}
}

// program binds the flags to c, whose values are the defaults.
func (c *command) program() *cli.Program {
	output := cli.NewGroup("Pictures")
	output.IntVar(&c.top, "top", c.top, "`number` of classes to tell of each picture, the most probable first")
	output.BoolVar(&c.json, "json", c.json, "print JSON: an object for each picture, a line each, or one for --evaluate")

	evaluation := cli.NewGroup("Evaluation")
	evaluation.StringVar(&c.evaluate, "evaluate", c.evaluate, "measure the model on the test images of `data`: a path, or shapes, as train's --data;\nempty, the official archive of CIFAR-10, downloaded")
	evaluation.IntVar(&c.limit, "limit", c.limit, "measure on the first `N` images (default all)")
	evaluation.StringVar(&c.confusion, "confusion", c.confusion, "PNG `file` for the picture of which class was taken for which; empty, none is made")

	server := cli.NewGroup("Server")
	server.StringVar(&c.serve, "serve", c.serve, "answer HTTP at `address`: a port of this machine alone, as 8080, or HOST:PORT,\nas 0.0.0.0:8080 for all of its networks")

	model := cli.NewGroup("Model")
	model.StringVar(&c.labels, "labels", c.labels, "text `file` of the names of the classes, a line each (default those that the model has)")
	perChannel := func(values *[]float32) func(string) error {
		return func(text string) (err error) { *values, err = cli.PerChannel(text, channels); return err }
	}
	model.Func("mean", "`numbers` R,G,B, or one, that are subtracted from pixels of 0 to 255 (default the model's)", perChannel(&c.mean))
	model.Func("std", "`numbers` R,G,B, or one, by which pixels are divided afterwards (default the model's)", perChannel(&c.std))

	return &cli.Program{Name: "predict", Usage: usage, Flags: []cli.Group{output, evaluation, server, model, c.Options.Flags()},
		Verbose: &c.verbose, Check: c.check, Run: c.predict}
}

// check completes and checks what the command line asks for.
func (c *command) check(flags *pflag.FlagSet) error {
	c.flags = flags
	if c.flags.NArg() == 0 {
		return errors.New("no model: name the folder of a run, a checkpoint, or a file of Keras's, see --help")
	}
	c.model, c.pictures = c.flags.Arg(0), c.flags.Args()[1:]
	return cmp.Or(c.checkTask(), c.checkStd(), c.checkConfusion(),
		cli.AtLeast("top", c.top, 1), cli.AtLeast("limit", c.limit, 0), c.Check())
}

// checkTask reports an error unless there is one thing to do, and all flags have a part in it.
func (c *command) checkTask() error {
	var tasks []string
	if len(c.pictures) > 0 {
		tasks = append(tasks, "pictures")
	}
	for _, name := range []string{"evaluate", "serve"} {
		if c.flags.Changed(name) {
			tasks = append(tasks, "--"+name)
		}
	}
	switch {
	case len(tasks) == 0:
		return fmt.Errorf("nothing to do with %s: name pictures, or give --evaluate or --serve", c.model)
	case len(tasks) > 1:
		return fmt.Errorf("%s: only one of them at a time", strings.Join(tasks, " and "))
	}
	for _, x := range []struct{ flag, tasks string }{
		{"top", "pictures and --serve"}, {"json", "pictures and --evaluate"}, {"limit", "--evaluate"}, {"confusion", "--evaluate"},
	} {
		if c.flags.Changed(x.flag) && !strings.Contains(x.tasks, tasks[0]) {
			return fmt.Errorf("--%s: it is for %s, not for %s", x.flag, x.tasks, tasks[0])
		}
	}
	if i := slices.Index(c.pictures, standardIn); i >= 0 && slices.Contains(c.pictures[i+1:], standardIn) {
		return fmt.Errorf("%s: the standard input is named twice: it is one picture", standardIn)
	}
	if c.flags.Changed("serve") {
		var err error
		c.serve, err = address(c.serve)
		return err
	}
	return nil
}

// checkConfusion reports an error where the name of a picture is that of something else, which would be overwritten.
func (c *command) checkConfusion() error {
	if c.confusion == "" || filepath.Ext(c.confusion) == ".png" {
		return nil
	}
	return fmt.Errorf("--confusion %q: want a name that ends in .png", c.confusion)
}

// address returns where to listen: on this machine alone unless there is a host.
func address(text string) (string, error) {
	if !strings.Contains(text, ":") {
		text = ":" + text
	}
	host, port, err := net.SplitHostPort(text)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("--serve %q: want a port from 0 to 65535, as 8080, or HOST:PORT, as 0.0.0.0:8080", strings.TrimPrefix(text, ":"))
	}
	return net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port), nil
}

// checkStd reports an error unless pixels can be divided as the flags say.
func (c *command) checkStd() error {
	for _, v := range c.std {
		if !(v > 0) {
			return fmt.Errorf("--std %v: must be above 0", v)
		}
	}
	return nil
}
