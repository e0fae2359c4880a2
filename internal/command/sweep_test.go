package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/run"
)

func TestSweepMistakes(t *testing.T) {
	for _, test := range []struct {
		args  string
		words []string
	}{
		{"", []string{"no flag has several values", "--lr 0.01,0.02"}},
		{"--lr 0.01", []string{"no flag has several values"}},
		{"--lr 0.01,fast", []string{"--lr", `"fast"`}},
		{"--lr 0.01,", []string{"--lr", "a rate is missing"}},
		{"--batch 8,0", []string{"--batch 0: must be at least 1"}},
		{"--batch 8,many", []string{"--batch", "many"}},
		{"--model vgg11,vgg12", []string{`--model "vgg12"`}},
		{"--model resnet20,vgg11 --dropout 0.5", []string{"--model resnet20 has batch normalization and no dropout"}},
		{"--lr 0.1,0.2 --random 0", []string{"--random 0"}},
		{"--lr 0.1,0.2 --save m.h5", []string{"--save: each run", "model.h5"}},
		{"--lr 0.1,0.2 --recipe none", []string{`--recipe "none"`}},
		{"--threads 1,2", []string{"--threads: results do not depend on it"}},
		{"--lr 0.1,0.2 photos", []string{`"photos"`}},
		{"--lr 0.1,0.2 --learning 3", []string{"--learning"}},
		{
			"--seed " + strings.Repeat("1,", 20_000) + "1 --lr 1",
			[]string{"no flag has several values"},
		}, // each value once
	} {
		fail(t, 2, test.words, append([]string{"sweep"}, strings.Fields(test.args)...)...)
	}
}

func TestExpand(t *testing.T) {
	for _, test := range []struct {
		flag  string
		texts []string
		want  []string
	}{
		{"lr", []string{"0.01,0.02"}, []string{"0.01", "0.02"}},
		{
			"lr",
			[]string{"0.01:81,0.001", "cosine:0.1,linear:0.2"},
			[]string{"0.01:81,0.001", "cosine:0.1", "linear:0.2"},
		},
		{"mean", []string{"1,2,3", "4"}, []string{"1,2,3", "4"}},
		{"bn", []string{"true,false"}, []string{"true", "false"}},
		{"seed", []string{"1,2,1", "2"}, []string{"1", "2"}},
		{"size", []string{"32,48x64"}, []string{"32", "48x64"}},
		{"model", []string{"resnet20"}, []string{"resnet20"}},
		{"epochs", []string{"1,2"}, []string{"1", "2"}},
	} {
		got, err := expand(test.flag, test.texts)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("--%s %q: %v (-want +got):\n%s", test.flag, test.texts, err, diff)
		}
	}
}

// TestSweep does a sweep, interrupted and continued, and adds a value to it.
func TestSweep(t *testing.T) {
	clitest.Once(t)
	out := filepath.Join(t.TempDir(), "out")
	args := func(rates string) []string {
		return []string{"sweep", "--data", "shapes", "--limit", "64", "--val-limit", "20", "--model",
			"resnet20", "--epochs", "2",
			"--batch", "16", "--lr", rates, "--weight-decay", "0,0.001", "--out", out}
	}
	p := clitest.Start(t, clitest.Command(t, args("0.001,cosine:0.05")...))
	p.Await("== lr=0.001,weight-decay=0.001, run 2 of 4")
	p.Await("results")
	p.Kill()
	p.End()
	text := succeed(t, args("0.001,cosine:0.05")...)
	if n := strings.Count(text, "finished  before"); n != 1 {
		t.Errorf("%d runs had finished, want 1:\n%s", n, text)
	}
	text = succeed(t, args("0.001,cosine:0.05,0.02")...)
	if n := strings.Count(text, "finished  before"); n != 4 || !strings.Contains(text, "run 6 of 6") {
		t.Errorf("%d runs had finished, want 4 of 6:\n%s", n, text)
	}
	page, err := os.ReadFile(filepath.Join(out, "REPORT.html"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "Sweep of --lr, --weight-decay") || !strings.Contains(string(page), "All 6 combinations") {
		t.Error("the page does not say what was varied")
	}
	last := 1.0
	runs := regexp.MustCompile(`<tr><td class="">(lr=[^<]*)</td><td class="number ">[\d.]+ %`).FindAllStringSubmatch(string(page), -1)
	for _, found := range runs {
		_, history, err := run.Read(filepath.Join(out, found[1]))
		if err != nil {
			t.Fatal(err)
		}
		best := run.Best(history).Validation.Accuracy
		if best > last {
			t.Errorf("%s, of %v, comes after a run of %v", found[1], best, last)
		}
		last = best
	}
	if len(runs) != 6 {
		t.Errorf("%d runs in the table, want 6", len(runs))
	}
}
