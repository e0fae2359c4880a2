package run_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
)

// TestPretrained saves a model, trains another from its weights, and kills that before it has a
// checkpoint.
func TestPretrained(t *testing.T) {
	clitest.Once(t)
	dir := t.TempDir()
	first := filepath.Join(dir, "first.h5")
	text := succeed(t, small(filepath.Join(dir, "first"), "--epochs", "0", "--save", first)...)
	if strings.Contains(text, "warning") {
		t.Errorf("a warning:\n%s", text)
	}

	alone, saved := filepath.Join(dir, "alone"), filepath.Join(dir, "alone.keras")
	other := []string{"--seed", "2", "--pretrained", first, "--save", saved}
	text = succeed(t, small(alone, other...)...)
	for _, words := range []string{
		first,
		"loaded: block1_conv1, ",
		"unused (not in this network): none",
		"initialized randomly (not in the file): none",
		saved,
	} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in what the program prints:\n%s", words, text)
		}
	}
	want := read(t, alone)
	b := openCPU(t)
	m, _, err := keras.OpenModel(b, saved)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := nn.OpenModel(b, filepath.Join(alone, run.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range checkpoint.Weights {
		if a, b := get(t, m, w.Name), get(t, checkpoint, w.Name); !slices.Equal(a, b) {
			t.Errorf("%s of the saved model is not that of the checkpoint", w.Name)
		}
	}
	if !slices.Equal(m.Labels, checkpoint.Labels) || !slices.Equal(m.Mean, checkpoint.Mean) {
		t.Errorf("the saved model has labels %q and mean %v", m.Labels, m.Mean)
	}

	killed := filepath.Join(dir, "killed")
	p := start(t, small(killed, other...)...)
	p.Await("results")
	p.Kill()
	p.End()
	if _, err := os.Stat(filepath.Join(killed, run.CheckpointName)); err == nil {
		t.Fatal("the run had a checkpoint when it was killed")
	}
	succeed(t, "--resume", killed)
	same(t, killed, want)

	text = succeed(t, small(filepath.Join(dir, "third"), "--epochs", "0", "--pretrained", alone)...)
	if checkpoint := filepath.Join(alone, run.CheckpointName); !strings.Contains(text, "weights   "+checkpoint) {
		t.Errorf("%s is not named as the file of weights:\n%s", checkpoint, text)
	}

	// A resumed run does not need the pretrained weights.
	os.Remove(first)
	succeed(t, "--resume", killed, "--save", filepath.Join(dir, "late.safetensors"))
	fail(t, 2, []string{"--pretrained " + saved}, "--resume", killed, "--pretrained", saved)
}

func openCPU(t *testing.T) backend.Backend {
	b, err := cpu.Open(cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func get(t *testing.T, m *nn.Model, name string) []float32 {
	t.Helper()
	values, err := m.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// TestBadWeights names files that cannot be read or written.
func TestBadWeights(t *testing.T) {
	clitest.Once(t)
	dir := t.TempDir()
	b := openCPU(t)
	model := func(name string, s nn.Sequential) string {
		net, err := nn.Build(s)
		if err != nil {
			t.Fatal(err)
		}
		m, err := nn.NewModel(b, net)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := keras.Save(path, m, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	layers := func(first, second string) nn.Sequential {
		return nn.Sequential{Input: []int{32, 32, 3}, Classes: 2, Layers: []nn.Layer{nn.Conv2D{Name: first,
			Filters: 64, Kernel: 3},
			nn.Conv2D{Name: second, Filters: 7, Kernel: 3}, nn.Flatten{}, nn.Dense{Name: "other", Units: 2}}}
	}
	strange, narrow := model("strange.h5", layers("a", "b")), model("narrow.keras", layers("block1_conv1", "block2_conv1"))
	text, folder := clitest.Put(t, []byte("no weights"), dir, "text.h5"), filepath.Join(dir, "folder.h5")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		args  []string
		words []string
	}{
		{
			"no file",
			[]string{"--pretrained", filepath.Join(dir, "none.h5")},
			[]string{"--pretrained", "none.h5: no such file"},
		},
		{"no weights", []string{"--pretrained", text}, []string{"--pretrained", text, "not an HDF5"}},
		{"other names", []string{"--pretrained", strange}, []string{strange, "a, b, other", "block1_conv1"}},
		{
			"other shapes",
			[]string{"--pretrained", narrow},
			[]string{narrow, "block2_conv1/kernel", "(3, 3, 64, 7)", "(3, 3, 64, 128)", "--skip-mismatch"},
		},
		{
			"no network",
			[]string{"--pretrained", "imagenet"},
			[]string{"ImageNet", "vgg16_weights_tf_dim_ordering_tf_kernels.h5"},
		},
		{
			"no folder",
			[]string{"--save", filepath.Join(dir, "none", "m.h5")},
			[]string{"--save", "none", "no such file"},
		},
		{"a folder", []string{"--save", folder}, []string{"--save", folder, "not a regular file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			fail(t, 1, c.words, append(small(out), c.args...)...)
			if _, err := os.Stat(out); err == nil {
				t.Error("a failed start left its folder")
			}
		})
	}
	t.Run("mismatch skipped", func(t *testing.T) {
		text := succeed(t, small(filepath.Join(t.TempDir(), "run"), "--epochs", "0", "--pretrained", narrow,
			"--skip-mismatch")...)
		for _, words := range []string{"loaded: block1_conv1\n", "warning", "(3, 3, 64, 7)"} {
			if !strings.Contains(text, words) {
				t.Errorf("%q is not in what the program prints:\n%s", words, text)
			}
		}
	})
}

// TestSaveInFormerFolder renames a folder before the model is saved in it.
func TestSaveInFormerFolder(t *testing.T) {
	clitest.Once(t)
	dir := t.TempDir()
	saved := clitest.Put(t, []byte("an older model"), dir, "models", "m.h5")
	renamed := filepath.Join(dir, "renamed")
	p := start(t, small(filepath.Join(dir, "run"), "--save", saved)...)
	p.Await("results")
	if err := os.Rename(filepath.Dir(saved), renamed); err != nil {
		t.Fatal(err)
	}
	o := p.End()
	for _, words := range []string{saved, "no such file", "--resume"} {
		if o.Code != 1 || !strings.Contains(o.Stderr, words) {
			t.Errorf("exit %d, want 1 and %q: %s", o.Code, words, o.Stderr)
		}
	}
	if text, err := os.ReadFile(filepath.Join(renamed, "m.h5")); err != nil || string(text) != "an older model" {
		t.Errorf("the older file is %q, %v", text, err)
	}
}

// TestSaveBest resumes a run that ended before it saved its best model.
func TestSaveBest(t *testing.T) {
	clitest.Once(t)
	dir := t.TempDir()
	saved := filepath.Join(dir, "m.safetensors")
	args := small(filepath.Join(dir, "run"), "--save", saved, "--save-best", "--epochs", "1")
	succeed(t, args...)
	before := fingerprint(t, saved)
	os.Remove(saved)
	// As after a power cut between the checkpoint and the model.
	text := succeed(t, "--resume", filepath.Join(dir, "run"))
	if fingerprint(t, saved) != before {
		t.Error("the model of the best epoch was not saved by the resumed run")
	}
	// --save-best modifies the --save of the run.
	later := filepath.Join(dir, "later")
	succeed(t, small(later, "--save", saved, "--epochs", "0")...)
	succeed(t, "--resume", later, "--save-best")
	fail(t, 2, []string{"--threads -1", "at least 0"}, "--resume", later, "--threads", "-1")
	// The weights of the best epoch are gone.
	gone := filepath.Join(dir, "gone")
	succeed(t, small(gone, "--epochs", "2", "--lr", "0.01:1,0.5")...)
	fail(t, 1, []string{"best epoch, 1, was before", "--save-best=false saves the last\n"}, "--resume", gone,
		"--save", saved, "--save-best")
	if !strings.Contains(text, "the model of the best epoch") {
		t.Errorf("no mention of the best epoch:\n%s", text)
	}
}

// TestCopiedRun resumes a run and a copy of it. Neither may touch what the other has saved.
func TestCopiedRun(t *testing.T) {
	clitest.Once(t)
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	saved, copied := filepath.Join(first, "m.safetensors"), filepath.Join(second, "m.safetensors")
	succeed(t, small(first, "--epochs", "1", "--save", saved, "--tensorboard", filepath.Join(first, "curves"))...)
	if err := os.CopyFS(second, os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	one := fingerprint(t, saved)
	text := succeed(t, "--resume", first, "--epochs", "2")
	two := fingerprint(t, saved)
	if two == one || !strings.Contains(text, "saved     "+saved) {
		t.Errorf("the model of 2 epochs was not saved:\n%s", text)
	}
	os.Remove(copied)
	text = succeed(t, "--resume", second)
	if fingerprint(t, saved) != two || fingerprint(t, copied) != one || !strings.Contains(text, copied) {
		t.Errorf("the copy has not saved its model beside it:\n%s", text)
	}
	if !strings.Contains(text, "nothing left to do: 1 epoch is done") {
		t.Errorf("it does not say that nothing is left to do:\n%s", text)
	}

	config := filepath.Join(second, run.ConfigName)
	if text, err := os.ReadFile(config); err != nil || !strings.Contains(string(text), `"curves"`) || strings.Contains(string(text), filepath.Dir(first)) {
		t.Fatalf("want paths relative to the folder: %v\n%s", err, text)
	}
	clitest.Put(t, []byte("foreign"), copied)
	succeed(t, "--resume", second, "--epochs", "2")
	if fingerprint(t, copied) != two {
		t.Error("the copy has not saved the model of 2 epochs")
	}
	clitest.Put(t, []byte("foreign"), saved)
	succeed(t, "--resume", second, "--save", saved)
	if fingerprint(t, saved) != two {
		t.Error("--save did not save again")
	}

	config = filepath.Join(first, run.ConfigName)
	before := fingerprint(t, config)
	text = succeed(t, "--resume", first, "--epochs", "1")
	if fingerprint(t, config) != before || !strings.Contains(text, "nothing left to do: 2 epochs are done") {
		t.Errorf("after fewer epochs than are done %s is another:\n%s", config, text)
	}
}
