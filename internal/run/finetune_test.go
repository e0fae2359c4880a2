package run_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
)

// photos draws n pictures of five classes and returns their folder.
func photos(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "photos")
	if err := picturetest.Photos(dir, n, 20, 60, 1); err != nil {
		t.Fatal(err)
	}
	return dir
}

// contains reports words that a text lacks.
func contains(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, words := range all {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in:\n%s", words, text)
		}
	}
}

// Own images need no flag: the recipe and what depends on their number are said and kept.
func TestRecipeOfOwnImages(t *testing.T) {
	clitest.Once(t)
	dir, out := photos(t, 50), filepath.Join(t.TempDir(), "run")
	text := succeed(t, dir, "--size", "16", "--epochs", "1", "--balance", "--out", out)
	contains(t, text, "recipe small, for 40 images: batches of 8, learning rate linear:0.2",
		"1 epoch of 5 steps of 8 images",
		"lamina serve "+out)
	c, err := run.ReadConfig(out)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Settings
	if s.Recipe != "small" || s.Model != nn.FastName || s.Epochs != 1 || s.Batch != 8 || s.LR != "linear:0.2" || s.BiasLR != "linear:0.64" ||
		!s.Balance || s.Fit != "" {
		t.Errorf("%+v", s)
	}
	contains(t, succeed(t, "--resume", out, "--epochs", "2"), "resumed   after epoch 1")
	contains(t, succeed(t, "--data", dir, "--size", "8", "--model", "resnet20", "--epochs", "0"),
		"recipe small, for 40 images: batches of 8, learning rate cosine:0.0005")
	text = succeed(t, "--data", dir, "--size", "8", "--model", "resnet20", "--epochs", "0", "--lr", "0.1",
		"--batch", "5")
	if strings.Contains(text, "recipe") {
		t.Errorf("nothing is left for the recipe to choose:\n%s", text)
	}
	fail(t, 2, []string{"requires --pretrained"}, "--data", dir, "--recipe", "finetune")
	fail(t, 2, []string{"the data once"}, dir, "--data", dir)
	fail(t, 2, []string{"photoz", "no such folder"}, "photoz")
	fail(t, 2, []string{`"more"`}, dir, "more")
}

const unfrozenRate = 0.1 * 0.0001

// A run of two classes is fine-tuned for five: first the head, then all layers. Interrupted in
// either part it ends with the same bits.
func TestFineTuning(t *testing.T) {
	clitest.Once(t)
	base := filepath.Join(t.TempDir(), "base")
	own := t.TempDir()
	putOwn(t, 4, own)
	succeed(t, own, "--model", "resnet20", "--size", "16", "--epochs", "1", "--resize", "pad", "--std", "60",
		"--out", base)

	dir := photos(t, 50)
	flags := func(out string) []string {
		return []string{dir, "--pretrained", base, "--freeze", "conv3", "--unfreeze-at", "2", "--epochs", "4",
			"--lr", "0.0001",
			"--patience", "0", "--threads", "1", "--out", out}
	}
	alone := filepath.Join(t.TempDir(), "alone")
	text := succeed(t, flags(alone)...)
	contains(t, text, "resnet20", "recipe finetune, for 40 images: batches of 8",
		`a new head: layer "predictions": predictions/kernel has shape (64, 2) in the file, (64, 5) here`,
		"all layers train, at 0.1 of the learning rate")
	c, err := run.ReadConfig(alone)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Settings; s.Model != "resnet20" || s.Optimizer != "adamw" || s.LabelSmoothing != 0.1 || s.Std != [3]float32{60,
		60, 60} || s.Resize != "pad" {
		t.Errorf("%+v", s)
	}
	want := read(t, alone)
	if h := want.Position.History; len(h) != 4 || h[1].LearningRate != 0.0001 || h[2].LearningRate != unfrozenRate {
		t.Errorf("rates %+v", h)
	}
	b := openCPU(t)
	m, err := nn.OpenModel(b, filepath.Join(alone, run.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Frozen) > 0 {
		t.Errorf("frozen at the end: %q", m.Frozen)
	}
	for _, moment := range []string{"epoch 1/4 ", "all layers train", "epoch 3/4 "} {
		out := filepath.Join(t.TempDir(), "stopped")
		p := start(t, flags(out)...)
		p.Await(moment)
		p.Signal(syscall.SIGINT) // the run may end before it arrives
		p.End()
		succeed(t, "--resume", out)
		same(t, out, want)
	}
	// With a constant rate a run of fewer epochs is one that was stopped after them.
	out := filepath.Join(t.TempDir(), "short")
	succeed(t, append(flags(out), "--epochs", "3")...)
	succeed(t, "--resume", out, "--epochs", "4")
	same(t, out, want)

	for _, bad := range []struct {
		words []string
		flags []string
	}{
		{
			[]string{"--freeze block9", "resnet20 has no such layer", "conv2_block1_1_conv"},
			[]string{"--freeze", "block9"},
		},
		{[]string{"--freeze predictions", "no layer is left to train"}, []string{"--freeze", "predictions"}},
		{[]string{"--unfreeze-at requires --freeze"}, []string{"--unfreeze-at", "2"}},
		{
			[]string{"--unfreeze-at 5", "the run has 3 epochs"},
			[]string{"--freeze", "conv2", "--unfreeze-at", "5", "--epochs", "3"},
		},
		{[]string{"--patience -1"}, []string{"--patience", "-1"}},
		{[]string{"--optimizer", "adam", "adamw"}, []string{"--optimizer", "adam"}},
	} {
		fail(t, 2, bad.words, append([]string{"--data", "shapes", "--model", "resnet20"}, bad.flags...)...)
	}
}

// The ImageNet weights are those that Keras has downloaded, if it has.
func TestKerasCache(t *testing.T) {
	clitest.Once(t)
	const name = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
	flags := []string{photos(t, 20), "--pretrained", "imagenet", "--epochs", "0"}
	fail(t, 1, []string{
		"cannot download the ImageNet weights",
		"put the file " + name,
		filepath.Join(".keras", "models"),
		"--pretrained FILE",
	}, flags...)
	c := clitest.Command(t, flags...)
	path := clitest.Put(t, nil, c.Dir, ".keras", "models", name)
	if err := os.Truncate(path, 58_889_256); err != nil {
		t.Fatal(err)
	}
	clitest.Expect(t, c, 1, []string{path}) // it is found, and empty
}

// A run ends when its accuracy has not improved for some epochs, with the best epoch's model, and
// keeps the count when it is resumed.
func TestPatience(t *testing.T) {
	clitest.Once(t)
	dir := photos(t, 50)
	flags := func(out string) []string {
		return []string{dir, "--model", "resnet20", "--size", "8", "--epochs", "40", "--batch", "20", "--lr",
			"0.00001", "--patience", "3",
			"--threads", "1", "--out", out}
	}
	alone := filepath.Join(t.TempDir(), "alone")
	succeed(t, flags(alone)...)
	want := read(t, alone)
	history := want.Position.History
	best := run.Best(history).Epoch
	if len(history) != best+3 || best == 38 {
		t.Fatalf("%d epochs, the best is %d", len(history), best)
	}
	b := openCPU(t)
	last, err := nn.OpenModel(b, filepath.Join(alone, run.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := nn.OpenModel(b, filepath.Join(alone, run.BestName))
	if err != nil {
		t.Fatal(err)
	}
	name := last.Weights[0].Name
	if a, b := get(t, last, name), get(t, kept, name); a[0] != b[0] {
		t.Errorf("%s is %v, at the best epoch %v", name, a[0], b[0])
	}
	contains(t, succeed(t, "--resume", alone), "nothing left to do")
	same(t, alone, want)

	out := filepath.Join(t.TempDir(), "stopped")
	p := start(t, flags(out)...)
	p.Await("epoch 2/40 ")
	p.Signal(syscall.SIGINT)
	p.End()
	succeed(t, "--resume", out)
	same(t, out, want)
	os.Remove(filepath.Join(out, run.BestName))
	fail(t, 1, []string{run.BestName}, "--resume", out)
}

// A short sweep of learning rates ends with a picture and a proposal, and keeps no run.
func TestFindRate(t *testing.T) {
	clitest.Once(t)
	dir, picture := photos(t, 50), filepath.Join(t.TempDir(), "rates.png")
	for _, optimizer := range []string{"adamw", "muon"} {
		c := clitest.Command(t, dir, "--model", "resnet20", "--size", "8", "--optimizer", optimizer,
			"--lr-find", picture)
		contains(t, clitest.Expect(t, c, 0), picture, " steps of 8 images", "proposal  --lr ")
		if data, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(data), "\x89PNG") {
			t.Errorf("%v, %.10q", err, data)
		}
		os.Remove(picture)
		if _, err := os.Stat(filepath.Join(c.Dir, "runs")); err == nil {
			t.Error("it has left a run")
		}
	}
	fail(t, 1, []string{"--lr-find", "nowhere"}, dir, "--lr-find", "nowhere/rates.png")
	fail(t, 2, []string{"--lr-find and --resume"}, "--resume", dir, "--lr-find", picture)
}
