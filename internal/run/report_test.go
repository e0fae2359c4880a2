package run_test

import (
	"fmt"
	"image/color"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/internal/sample"
)

// TestReport trains on own images, of which a class has a name that a page must not take for HTML.
func TestReport(t *testing.T) {
	clitest.Once(t)
	if runtime.GOOS == "windows" {
		t.Skip("no such names of folders")
	}
	data, dir := t.TempDir(), filepath.Join(t.TempDir(), "run <i>")
	for class, name := range []string{"<script>alert(1)<", "b & c"} {
		for i := range 20 {
			shade := color.NRGBA{uint8(40 + 60*class), uint8(5 * i), uint8(90 * (i % 3)), 255}
			clitest.Put(t, picturetest.PNG(t, picturetest.Plain(90, 70, shade)), data, name, fmt.Sprint(i, ".png"))
		}
	}
	args := []string{"--data", data, "--size", "70x90", "--model", "resnet20", "--epochs", "2", "--batch",
		"8", "--lr", "0.01",
		"--augment", "none", "--std", "60", "--weight-decay", "0.0001", "--out", dir}
	page := func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, run.ReportName))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	succeed(t, args...)
	text := page()
	_, history, err := run.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	best := run.Best(history)
	for _, words := range []string{
		"<h1>run &lt;i&gt;</h1>", "32 images for training, 8 for validation, 2 classes",
		fmt.Sprintf("2 of 2 epochs, best validation accuracy %.2f %% in epoch %d.",
			100*best.Validation.Accuracy, best.Epoch),
		fmt.Sprintf("<h2>Results by class, epoch %d</h2>", best.Epoch), `<svg class="matrix"`,
		"&lt;script&gt;alert(1)&lt;", "b &amp; c",
		"Learning rate", "Augmentation: none.", `src="data:image/jpeg;base64,`,
		`<td class="">weight-decay</td><td class="">0.0001</td>`,
	} {
		if !strings.Contains(text, words) {
			t.Errorf("the page lacks %s", words)
		}
	}
	if wrong := strings.Count(text, "<strong>"); wrong != 8-int(best.Validation.Accuracy*8+0.5) {
		t.Errorf("%d wrong images of 8 at an accuracy of %v", wrong, best.Validation.Accuracy)
	}
	for _, words := range []string{"<script", "<i>", "http", "href=", data, "ZgotmplZ"} {
		if strings.Contains(text, words) {
			t.Errorf("the page has %s", words)
		}
	}
	if len(text) > 200_000 {
		t.Errorf("a page of %d bytes", len(text))
	}
	if s, err := sample.Read(dir, 2); len(s) != 4 || err != nil {
		t.Errorf("%d samples, %v, want 4", len(s), err)
	}

	// A resume writes what is missing, and says so where the results of the best epoch are.
	for _, name := range []string{run.ReportName, sample.Folder} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	succeed(t, "--resume", dir)
	if page() != text {
		t.Error("the page is another after a resume")
	}
	if err := os.Remove(filepath.Join(dir, "validation.json")); err != nil {
		t.Fatal(err)
	}
	succeed(t, "--resume", dir)
	if text := page(); !strings.Contains(text, "lacks the results of that epoch by class") || strings.Contains(text, `class="matrix"`) {
		t.Error("results of no epoch")
	}
}

// A new run does not replace a page of another origin.
func TestKeepsAnotherReport(t *testing.T) {
	for _, name := range []string{run.ReportName, filepath.Join(sample.Folder, "mine.png")} {
		dir := t.TempDir()
		clitest.Put(t, []byte("mine"), dir, name)
		fail(t, 1, []string{"--out", dir, "name another folder"}, small(dir)...)
	}
}

// TestReportOfAFailedRun leaves nothing of a run that ends before it has saved anything.
func TestReportOfAFailedRun(t *testing.T) {
	clitest.Once(t)
	dir := filepath.Join(t.TempDir(), "run")
	fail(t, 1, []string{"diverged"}, "--data", "shapes", "--limit", "40", "--val-limit", "10", "--model", "resnet20",
		"--epochs", "1", "--batch", "4", "--lr", "1e30", "--out", dir)
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder is left")
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", r.StatusCode, err)
	}
	return string(text)
}

// TestOpen serves the page while a run trains.
func TestOpen(t *testing.T) {
	clitest.Once(t)
	dir := filepath.Join(t.TempDir(), "run")
	p := start(t, "--data", "shapes", "--limit", "64", "--val-limit", "10", "--model", "resnet20", "--epochs", "1000",
		"--batch", "32", "--lr", "0.01", "--out", dir, "--open", "127.0.0.1:0")
	_, url, _ := strings.Cut(p.Await("report    http://127.0.0.1:"), "http://")
	p.Await("epoch 1/1000")
	text := fetch(t, "http://"+url)
	for _, words := range []string{"<h1>run</h1>", "resnet20 on shapes", "live.js", "data-version"} {
		if !strings.Contains(text, words) {
			t.Errorf("the page lacks %s", words)
		}
	}
	if runtime.GOOS == "windows" {
		return // no signals to a process
	}
	p.Signal(os.Interrupt)
	if o := p.End(); o.Code != 130 {
		t.Errorf("exit %d: %s", o.Code, o.Stderr)
	}
	fail(t, 2, []string{`--open "70000"`, "must be a port"}, "--open", "70000")
}
