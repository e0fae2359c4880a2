package run_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/nn"
)

// small returns the arguments of a run of two epochs of three steps, the last with fewer images.
// The smallest network has checkpoints of 225 MB.
func small(dir string, more ...string) []string {
	return append([]string{"--data", "shapes", "--model", "vgg11", "--epochs", "2",
		"--limit", "5", "--val-limit", "3", "--batch", "2", "--out", dir}, more...)
}

// result is what a run leaves, without times.
type result struct {
	History  string
	Position nn.Position
	Weights  [sha256.Size]byte // of the network, the weights and the velocities
	Report   [sha256.Size]byte // of the page, without its title
}

func read(t *testing.T, dir string) result {
	t.Helper()
	var r result
	file, err := os.Open(filepath.Join(dir, run.CheckpointName))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	header, err := safetensors.ReadHeader(file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(header.Metadata["position"]), &r.Position); err != nil {
		t.Fatal(err)
	}
	r.Position.Seconds = 0
	for i := range r.Position.History {
		r.Position.History[i].ImagesPerSecond = 0
	}
	hash := sha256.New()
	io.WriteString(hash, header.Metadata["network"])
	if _, err := io.CopyN(hash, file, info.Size()-header.Start-sha256.Size); err != nil {
		t.Fatal(err)
	}
	hash.Sum(r.Weights[:0])
	page, err := os.ReadFile(filepath.Join(dir, run.ReportName))
	if err != nil {
		t.Fatal(err)
	}
	r.Report = sha256.Sum256(bytes.ReplaceAll(page, []byte(">"+filepath.Base(dir)+"<"), nil))

	text, err := os.ReadFile(filepath.Join(dir, run.HistoryName))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const columns = "epoch,loss,accuracy,val_loss,val_accuracy,lr,images_per_s,cross_entropy,val_cross_entropy"
	if strings.Join(rows[0], ",") != columns {
		t.Errorf("the history begins %q, want %q", rows[0], columns)
	}
	for _, row := range rows {
		r.History += strings.Join(slices.Delete(row, 6, 7), ",") + "\n" // without images_per_s
	}
	return r
}

// same compares the results of two runs.
func same(t *testing.T, dir string, want result) {
	t.Helper()
	if diff := cmp.Diff(want, read(t, dir)); diff != "" {
		t.Errorf("not the result of an uninterrupted run (-want +got):\n%s", diff)
	}
}

// TestSameBits trains once, and then with interruptions, which must give the same bits.
func TestSameBits(t *testing.T) {
	alone := filepath.Join(t.TempDir(), "alone")
	began := time.Now()
	text := succeed(t, small(alone, "--threads", "1")...)
	took := time.Since(began)
	for _, words := range []string{"vgg11", "shapes", "epoch 2/2", "cross-entropy", " + penalty ",
		"best validation accuracy", run.HistoryName, "--resume " + alone} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in what the program prints:\n%s", words, text)
		}
	}
	want := read(t, alone)
	if rows := strings.Count(want.History, "\n"); rows != 3 || want.Position.Step != 6 {
		t.Fatalf("%d rows of history and %d steps, want 3 and 6", rows, want.Position.Step)
	}

	sameWithOtherThreads(t, want)
	t.Run("finished run resumed", func(t *testing.T) {
		os.Remove(filepath.Join(alone, run.HistoryName))
		succeed(t, "--resume", alone, "--lr", run.Defaults().LR, "--seed", "1")
		same(t, alone, want)
		fail(t, 2, []string{"--batch 8", "2"}, "--resume", alone, "--batch", "8")
		fail(t, 2, []string{"--pretrained", alone + " has none"}, "--resume", alone, "--pretrained", "weights.h5")
		fail(t, 1, []string{"nowhere"}, "--resume", alone, "--data", "nowhere")
		succeed(t, "--resume", alone) // what failed has changed nothing
	})
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP} { // Ctrl-C, and closing the terminal
		t.Run(s.String(), func(t *testing.T) {
			clitest.Once(t)
			if signal.Ignored(s) {
				t.Skip("the tests run under nohup, which the program honours")
			}
			dir := filepath.Join(t.TempDir(), "run")
			p := start(t, small(dir)...)
			p.Await("results")
			p.Signal(s)
			if s == syscall.SIGHUP {
				p.Signal(s) // the system sends one, and the shell another
			}
			if o := p.End(); o.Code != 130 || !strings.Contains(o.Stderr, "--resume "+dir) {
				t.Fatalf("exit %d, want 130 and how to resume: %s", o.Code, o.Stderr)
			}
			if at := read(t, dir).Position; at.Step == 6 {
				t.Fatal("the program ran to the end")
			}
			succeed(t, "--resume", dir)
			same(t, dir, want)
		})
	}
	t.Run("longer", func(t *testing.T) {
		clitest.Once(t)
		dir := filepath.Join(t.TempDir(), "run")
		succeed(t, small(dir, "--epochs", "1")...)
		succeed(t, "--resume", dir, "--epochs", "2", "--threads", "3")
		same(t, dir, want)
	})
	sameAfterKills(t, want, took)
}

// TestSameBitsBF16 is TestSameBits for bf16, as far as it depends on the kernels.
func TestSameBitsBF16(t *testing.T) {
	alone := filepath.Join(t.TempDir(), "alone")
	began := time.Now()
	succeed(t, small(alone, "--precision", "bf16", "--threads", "1")...)
	took := time.Since(began)
	want := read(t, alone)
	sameWithOtherThreads(t, want, "--precision", "bf16")
	sameAfterKills(t, want, took, "--precision", "bf16")
}

// TestSameBitsAugmented is TestSameBits with every augmentation on, whose list config.json keeps.
func TestSameBitsAugmented(t *testing.T) {
	clitest.Once(t)
	const list = "flip,shift:0.1,crop:0.125,rotate:15,zoom:0.1," +
		"brightness:0.2,contrast:0.2,saturation:0.2,cutout:0.25,rand:2:9"
	words := []string{"--augment",
		"rand,cutout,saturation,contrast,brightness,zoom,rotate,crop,shift,flip"}
	alone := filepath.Join(t.TempDir(), "alone")
	began := time.Now()
	succeed(t, append(small(alone, "--threads", "1"), words...)...)
	took := time.Since(began)
	want := read(t, alone)
	config, err := os.ReadFile(filepath.Join(alone, run.ConfigName))
	if err != nil || !strings.Contains(string(config), `"augment": "`+list+`"`) {
		t.Errorf("config.json lacks %s: %v\n%s", list, err, config)
	}
	succeed(t, "--resume", alone, "--augment", list)
	fail(t, 2, []string{"--augment flip", list}, "--resume", alone, "--augment", "flip")
	sameWithOtherThreads(t, want, words...)
	sameAfterKills(t, want, took, words...)
}

func sameWithOtherThreads(t *testing.T, want result, more ...string) {
	for _, threads := range []string{"2", "3"} {
		t.Run("threads "+threads, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			succeed(t, append(small(dir, "--threads", threads), more...)...)
			same(t, dir, want)
		})
	}
}

// sameAfterKills kills a run several times, after at most the time that it takes.
func sameAfterKills(t *testing.T, want result, took time.Duration, more ...string) {
	t.Run("killed", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "run")
		for i := range kills(t) {
			p := start(t, resume(dir, more...)...)
			time.Sleep(rand.N(took))
			p.Kill()
			p.End()
			if _, err := os.Stat(filepath.Join(dir, run.CheckpointName)); err == nil {
				t.Logf("kill %d: the checkpoint has %d steps", i+1, read(t, dir).Position.Step)
			}
		}
		succeed(t, resume(dir, more...)...)
		same(t, dir, want)
		sameEvents(t, dir)
	})
}

// A run that is killed in an epoch after some that were not saved repeats those to the same bits,
// curves and best model.
func TestKilledAfterUnsavedEpochs(t *testing.T) {
	clitest.Once(t)
	args := func(dir string) []string {
		return small(dir, "--epochs", "4", "--tensorboard", dir, "--save", filepath.Join(dir, "best.h5"), "--save-best")
	}
	alone, dir := filepath.Join(t.TempDir(), "alone"), filepath.Join(t.TempDir(), "run")
	succeed(t, args(alone)...)
	p := start(t, args(dir)...)
	p.Await("epoch 3/4")
	p.Kill()
	p.End()
	t.Logf("the checkpoint is of epoch %d, after 3", read(t, dir).Position.Epoch)
	succeed(t, "--resume", dir)
	same(t, dir, read(t, alone))
	sameEvents(t, dir)
	if fingerprint(t, filepath.Join(dir, "best.h5")) != fingerprint(t, filepath.Join(alone, "best.h5")) {
		t.Error("the best model is another")
	}
}

// sameEvents compares the sizes of the TensorBoard files with those of files written at once.
func sameEvents(t *testing.T, dir string) {
	t.Helper()
	fresh := t.TempDir()
	succeed(t, "--resume", dir, "--tensorboard", fresh)
	const files = "*/events.out.tfevents.*"
	want, _ := filepath.Glob(filepath.Join(fresh, files))
	got, _ := filepath.Glob(filepath.Join(dir, files))
	if len(want) != 2 || len(got) != 2 {
		t.Fatalf("event files %v and %v, want two each", got, want)
	}
	for i := range want {
		if g, w := size(t, got[i]), size(t, want[i]); g != w {
			t.Errorf("%s has %d bytes, want %d", got[i], g, w)
		}
	}
}

func TestBatchLargerThanTheData(t *testing.T) {
	dir := t.TempDir()
	data, out := clitest.Put(t, archive(t), dir, "cifar.tar.gz"), filepath.Join(dir, "run")
	text := succeed(t, "--data", data, "--limit", "4", "--val-limit", "1", "--batch", "1000", "--epochs", "1",
		"--model", "vgg11", "--out", out)
	for _, words := range []string{" 1 epoch of 1 step of 4 images,", "data_batch_3.bin has 2 images, "} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in what the program prints:\n%s", words, text)
		}
	}
	if p := read(t, out).Position; p.Step != 1 || p.Images != 4 || p.Batch != 4 {
		t.Errorf("%d steps of %d images on %d, want one of all 4", p.Step, p.Batch, p.Images)
	}
}

// kills returns how often to kill a run: 4 times, once with -short, or LAMINA_TEST_KILLS times.
func kills(t *testing.T) int {
	text := os.Getenv("LAMINA_TEST_KILLS")
	switch {
	case text == "" && testing.Short():
		return 1
	case text == "":
		return 4
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// resume returns the arguments that start a run, or resume it if there is one, saving after every
// step.
func resume(dir string, more ...string) []string {
	if _, err := os.Stat(filepath.Join(dir, run.ConfigName)); err == nil {
		return []string{"--resume", dir, "--save-every", "1ms"}
	}
	return append(small(dir, "--save-every", "1ms", "--tensorboard", dir), more...)
}

func TestAnotherInterruptEndsAtOnce(t *testing.T) {
	clitest.Once(t)
	p := start(t, small(filepath.Join(t.TempDir(), "run"), "--epochs", "1000")...)
	p.Await("results")
	p.Signal(os.Interrupt)
	p.Await("ends at once") // and 225 MB are still to be saved
	p.Signal(os.Interrupt)
	if o := p.End(); o.Code != 130 || o.Stderr != "" {
		t.Errorf("exit %d, want 130 and no word of what was saved: %s", o.Code, o.Stderr)
	}
}

// A run whose output nobody reads stops and saves, also if Ctrl-C has ended the reader too.
func TestWithoutReader(t *testing.T) {
	clitest.Once(t)
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, small(dir, "--epochs", "1000")...)
	p.Await("epoch 1")
	p.HangUp()
	if o := p.End(); o.Code != 130 || !strings.Contains(o.Stderr, "--resume "+dir) {
		t.Fatalf("exit %d, want 130 and how to resume: %s", o.Code, o.Stderr)
	}
	read(t, dir) // what was saved is whole
}

func TestOneProcessInAFolder(t *testing.T) {
	clitest.Once(t)
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, small(dir, "--epochs", "1000")...)
	p.Await("results")
	words := []string{dir, "another process"}
	fail(t, 1, words, "--resume", dir)
	fail(t, 1, words, small(dir)...)
	p.Kill()
	p.End()
	// The lock is gone with the process, but there is a run.
	fail(t, 1, []string{dir, "--resume"}, small(dir)...)
}

// A batch that exceeds the memory is rejected before any step, with one that fits.
func TestBatchBeyondMemory(t *testing.T) {
	clitest.Once(t)
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere memory has no limit that a process can set itself")
	}
	c := clitest.Command(t, small("run", "--limit", "4000", "--batch", "4000")...)
	c.Args = append([]string{"sh", "-c", `ulimit -v 3000000 && exec "$0" "$@"`, c.Path}, c.Args[1:]...)
	c.Path = "/bin/sh"
	clitest.Expect(t, c, 1, []string{"MiB more are needed", ": --batch ", " fits"})
}

// TestKeepsTheCheckpoint trains an epoch, then resumes in ways that fail.
func TestKeepsTheCheckpoint(t *testing.T) {
	clitest.Once(t)
	dir := filepath.Join(t.TempDir(), "run")
	// Each step takes longer than the trainer waits before it saves, so that it saves before it
	// diverges.
	succeed(t, small(dir, "--epochs", "1", "--lr", "0.01:1,1e30", "--augment", "none", "--limit", "128",
		"--batch", "64")...)
	checkpoint := filepath.Join(dir, run.CheckpointName)
	before := fingerprint(t, checkpoint)
	again := []string{"--resume", dir, "--epochs", "2"}

	t.Run("full disk", func(t *testing.T) {
		clitest.LimitFiles(t, 100e6)
		fail(t, 1, []string{run.CheckpointName, "file too large", "--resume " + dir}, append(again,
			"--save-every", "1ms")...)
	})
	t.Run("the loss diverges", func(t *testing.T) {
		fail(t, 1, []string{"epoch 2, step", "diverged", "--resume " + dir}, again...)
	})
	t.Run("another model", func(t *testing.T) {
		config := filepath.Join(dir, run.ConfigName)
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		defer clitest.Put(t, text, config)
		clitest.Put(t, []byte(strings.Replace(string(text), "vgg11", "vgg13", 1)), config)
		fail(t, 1, []string{checkpoint, "another network"}, again...)
	})
	for old, edit := range map[string][2]string{ // and what the error has
		`"momentum": 0.9`:     {`"momentum": 0.8`, `--momentum "0.9", not "0.8"`},
		`"lr": "0.01:1,1e30"`: {`"lr": "0.02"`, `--lr "0.01:1,1e30", not "0.02"`},
		`"augment": "none"`:   {`"augment": "whole-pixel"`, `--augment "none", not "whole-pixel"`},
		`"precision": "fp32"`: {`"precision": "bf16"`, `--precision "fp32", not "bf16"`},
		`"save": ""`:          {`"save": "../../../x.h5"`, `"../../../x.h5" lies outside the folder`},
	} {
		t.Run("config.json has another "+old, func(t *testing.T) {
			config := filepath.Join(dir, run.ConfigName)
			text, err := os.ReadFile(config)
			if err != nil {
				t.Fatal(err)
			}
			defer clitest.Put(t, text, config)
			if !strings.Contains(string(text), old) {
				t.Fatalf("config.json lacks %s:\n%s", old, text)
			}
			clitest.Put(t, []byte(strings.Replace(string(text), old, edit[0], 1)), config)
			fail(t, 1, []string{dir, edit[1]}, again...)
		})
	}
	if fingerprint(t, checkpoint) != before {
		t.Fatal("the checkpoint has changed")
	}

	t.Run("a bit flipped", func(t *testing.T) {
		flip(t, checkpoint, 100e6)
		fail(t, 1, []string{checkpoint, "checksum"}, again...)
		flip(t, checkpoint, 100e6)
	})
	t.Run("cut off", func(t *testing.T) {
		if err := os.Truncate(checkpoint, 100e6); err != nil {
			t.Fatal(err)
		}
		fail(t, 1, []string{checkpoint, "cut off"}, again...)
		if err := os.Truncate(checkpoint, 0); err != nil {
			t.Fatal(err)
		}
		fail(t, 1, []string{checkpoint, "cut off"}, again...)
	})
}

// A run whose last checkpoint is damaged resumes from the one before, to the same bits.
func TestResumesFromThePreviousCheckpoint(t *testing.T) {
	clitest.Once(t)
	dir := filepath.Join(t.TempDir(), "run")
	succeed(t, small(dir, "--save-every", "1ms", "--tensorboard", dir)...)
	want := read(t, dir)
	last, previous := filepath.Join(dir, run.CheckpointName), filepath.Join(dir, run.PreviousName)
	zero := func(t *testing.T, path string) {
		all := size(t, path)
		if err := errors.Join(os.Truncate(path, 0), os.Truncate(path, all)); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(t *testing.T, path string) {
		if err := os.Truncate(path, 100e6); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, says string
		damage     func(t *testing.T, path string)
	}{
		{"bit flipped", "is damaged", func(t *testing.T, path string) { flip(t, path, 100e6) }},
		{"cut off", "is damaged", cut},
		{"zeros", "is damaged", zero},
		{"absent", "is missing", func(t *testing.T, path string) { os.Remove(path) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.damage(t, last)
			text := succeed(t, "--resume", dir, "--save-every", "1ms")
			if note := last + " " + c.says + ": the run resumes from " + run.PreviousName; strings.Count(text, note) != 1 {
				t.Errorf("%q is not in what the program prints:\n%s", note, text)
			}
			same(t, dir, want)
		})
	}
	sameEvents(t, dir)
	t.Run("both damaged", func(t *testing.T) {
		zero(t, last)
		cut(t, previous)
		fail(t, 1, []string{last, previous, "checksum"}, "--resume", dir)
		fail(t, 1, []string{last, "or name " + previous},
			small(filepath.Join(t.TempDir(), "other"), "--pretrained", dir)...)
		os.Remove(last)
		fail(t, 1, []string{last, previous, "checksum"}, "--resume", dir)
		os.Remove(previous)
		clitest.Put(t, nil, last)
		fail(t, 1, []string{last, "damaged"}, "--resume", dir)
	})
}

func fingerprint(t *testing.T, path string) (sum [sha256.Size]byte) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		t.Fatal(err)
	}
	hash.Sum(sum[:0])
	return sum
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var b [1]byte
	if _, err := file.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 4
	if _, err := file.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}
