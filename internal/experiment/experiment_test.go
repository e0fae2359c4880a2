package experiment_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/command"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/report"
)

func TestMain(m *testing.M) { os.Exit(clitest.Run(m, func() { command.Main("experiment") })) }

func start(t *testing.T, args ...string) *clitest.Process {
	t.Helper()
	return clitest.Start(t, clitest.Command(t, args...))
}

// execute runs a command, which must end with that code, one line of error unless it is 0, and all
// the words in its output.
func execute(t *testing.T, code int, words []string, args ...string) string {
	t.Helper()
	o := clitest.Execute(t, clitest.Command(t, args...))
	if lines := strings.Count(o.Stderr, "\n"); o.Code != code || lines != min(code, 1) {
		t.Fatalf("%s: exit %d, want %d, with %d lines on stderr:\n%s", strings.Join(args, " "), o.Code, code,
			lines, o.Stderr)
	}
	for _, word := range words {
		if !strings.Contains(o.Stdout+o.Stderr, word) {
			t.Errorf("%s: %q is not in:\n%s%s", strings.Join(args, " "), word, o.Stdout, o.Stderr)
		}
	}
	return o.Stdout
}

func TestMistakesInFlags(t *testing.T) {
	for _, test := range []struct {
		args  string
		words []string
	}{
		{"", []string{"tricks, decay, depth, init, memory, compare"}},
		{"width", []string{`"width"`, "tricks, decay"}},
		{"depth init", []string{`"init"`}},
		{"depth --runs vgg12", []string{"--runs", `"vgg12"`, "vgg11_A, vgg13_B, vgg16_C, vgg16_D, vgg19_E"}},
		{
			"depth --model vgg11",
			[]string{"--model: the experiment depth sets it, for vgg11_A to vgg11", "memory accepts it"},
		},
		{
			"tricks --model vgg11 --runs vgg19",
			[]string{"--model: the experiment tricks sets it, for vgg19_pretrain to vgg19", "memory accepts it"},
		},
		{"init --model vgg11", []string{"--model: the experiment init sets it"}},
		{
			"init --weight-decay 0.1",
			[]string{"--weight-decay: the experiment init sets it", "to 0.0005", "(depth accepts it)"},
		},
		{"decay --weight-decay 0.1", []string{"--weight-decay", "for vgg19_pretrain to 0.0001"}},
		{"depth --pretrained vgg19.h5", []string{"--pretrained: the runs of depth start from scratch"}},
		{"depth --skip-mismatch", []string{"--skip-mismatch: the runs of depth"}},
		{"tricks --epochs 0", []string{"--epochs 0", "1 or more"}},
		{"tricks --epochs few", []string{"--epochs", "few"}},
		{"tricks --batch 0", []string{"--batch 0", "at least 1"}},
		{"tricks --save-every 0s", []string{"--save-every"}},
		{"tricks --out=", []string{"--out", "empty"}},
		{"tricks --depth 3", []string{"--depth", "--help"}},
		{"compare", []string{"compare", "folders"}},
		{"compare a --epochs 3", []string{"--epochs", "does not train"}},
		{"tricks --save m.h5", []string{"--save", "model.h5", "omit"}},
		{"tricks --save-best", []string{"--save-best: each run", "model.h5", "omit"}},
		{"memory --epochs 3 --lr 5", []string{"--epochs: memory does not train"}},
		{"memory --lr 5", []string{"--lr: memory does not train"}},
		{"memory --runs a", []string{"--runs: memory does not train"}},
		{"memory --batch 0", []string{"--batch 0", "at least 1"}},
		{"memory --batch 9223372036854775807", []string{"--batch", "at most 1073741824"}},
	} {
		t.Run(test.args, func(t *testing.T) { execute(t, 2, test.words, strings.Fields(test.args)...) })
	}
}

func TestBadFolders(t *testing.T) {
	dir := t.TempDir()
	file := clitest.Put(t, []byte(""), dir, "file")
	const config, header = `{"settings": {"model": "vgg11", "epochs": 1}}`, "epoch,loss,accuracy,val_loss,val_accuracy,lr,images_per_s\n"
	folder := func(name, config, history string) string {
		clitest.Put(t, []byte(config), dir, name, run.ConfigName)
		return filepath.Dir(clitest.Put(t, []byte(history), dir, name, run.HistoryName))
	}
	damaged := folder("damaged", `{"settings"`, header)
	short := folder("short", config, "epoch,loss\n1,2\n")
	torn := folder("torn", config, header+"1,2,0.5,2,0.5,0.1,9\n3,2")
	empty := folder("empty", config, header)
	good := folder("good", config, header+"1,2,0.5,2,0.5,0.1,9\n")
	clitest.Put(t, []byte(`{"settings"`), dir, "half", "vgg11_A", run.ConfigName)
	clitest.Put(t, []byte(config), dir, "other", "vgg11_A", run.ConfigName)
	taken := filepath.Dir(clitest.Put(t, []byte(""), dir, "taken", "REPORT.html", "x"))
	small := func(out string) []string {
		return []string{"depth", "--runs", "vgg11_A", "--data", "shapes", "--limit", "2", "--val-limit", "2",
			"--out", out}
	}
	for _, test := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"out is a file", small(file), []string{"--out", file, "name a writable folder"}},
		{"out below a file", small(filepath.Join(file, "x")), []string{"--out", file, "name a writable folder"}},
		{"config of a run cut off", small(filepath.Join(dir, "half")), []string{"half", run.ConfigName, "remove"}},
		{
			"other settings",
			small(filepath.Join(dir, "other")),
			[]string{filepath.Join("other", "vgg11_A"), "has --", "another folder"},
		},
		{
			"no data",
			[]string{"depth", "--data", filepath.Join(dir, "none"), "--out", filepath.Join(dir, "x")},
			[]string{filepath.Join(dir, "none")},
		},
		{
			"compare nothing",
			[]string{"compare", filepath.Join(dir, "none")},
			[]string{"none", "not the folder of a run"},
		},
		{"compare a file", []string{"compare", file}, []string{file, "is a file"}},
		{"compare damaged settings", []string{"compare", good, damaged}, []string{damaged, run.ConfigName}},
		{"compare another table", []string{"compare", good, short}, []string{short, run.HistoryName, "line 1"}},
		{"compare a torn table", []string{"compare", good, torn}, []string{torn, run.HistoryName, "line 3"}},
		{
			"compare no epochs",
			[]string{"compare", empty, empty},
			[]string{empty, "all runs are without a finished epoch"},
		},
		{
			"compare where the report cannot be",
			[]string{"compare", good, "--out", filepath.Dir(taken)},
			[]string{"--out", taken, "another folder"},
		},
		{"compare into a file", []string{"compare", good, "--out", file}, []string{"--out", file}},
	} {
		t.Run(test.name, func(t *testing.T) { execute(t, 1, test.words, test.args...) })
	}
	t.Run("compare", func(t *testing.T) {
		out := filepath.Join(dir, "compared")
		execute(t, 0, []string{"good", "50.00 %"}, "compare", good, good+string(filepath.Separator), "--out", out)
		complete(t, out)
	})
	t.Run("compare with a run that has not finished an epoch", func(t *testing.T) {
		out := filepath.Join(dir, "compared with an empty one")
		execute(t, 0, []string{"good", "50.00 %", "without a finished epoch: " + empty}, "compare", good,
			empty, "--out", out)
		complete(t, out)
		if text := page(t, out); !strings.Contains(text, "0 of 1 epochs") || strings.Contains(text, "test") {
			t.Errorf("the page lacks the state of the empty run, or speaks of a test:\n%s", text)
		}
	})
}

// complete checks that the charts and the page exist.
func complete(t *testing.T, out string) {
	t.Helper()
	files := []string{"REPORT.html"}
	for _, chart := range report.Charts() {
		files = append(files, chart.Name+".png", chart.Name+".csv")
	}
	for _, name := range files {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("no %s: %v", name, err)
		}
	}
}

// page returns the page in a folder, without times.
func page(t *testing.T, out string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(out, "REPORT.html"))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(<td class="number time">)[^<]*`).ReplaceAllString(string(text), "$1")
}

// few returns the flags of a trial on a few images.
func few(out string, args ...string) []string {
	return append([]string{"--data", "shapes", "--limit", "5", "--val-limit", "3", "--batch", "2", "--lr",
		"0.001", "--out", out}, args...)
}

func TestDepth(t *testing.T) {
	clitest.Once(t)
	out := filepath.Join(t.TempDir(), "depth")
	execute(t, 0, []string{"vgg19_E, run 5 of 5", "28,187,826", "REPORT.html"}, few(out, "depth", "--epochs",
		"1", "--limit", "2", "--val-limit", "1")...)
	complete(t, out)
	text := page(t, out)
	for _, words := range []string{"28,187,826", "28,373,106", "28,969,330", "33,687,922", "39,002,738", // as in the Keras program
		"<th>model</th>", "vgg16c", "Settings of all runs", `<td class="">epochs</td><td class="">1</td>`, "finished"} {
		if !strings.Contains(text, words) {
			t.Errorf("the page lacks %q", words)
		}
	}
}

// TestPretrained does the experiments with weights pretrained on ImageNet, from a file, and with
// none available.
func TestPretrained(t *testing.T) {
	clitest.Once(t)
	dir := t.TempDir()
	execute(t, 0, nil, few(filepath.Join(dir, "first"), "depth", "--runs", "vgg11_A", "--epochs", "1")...)
	file := filepath.Join(dir, "first", "vgg11_A", "model.h5")
	short := []string{"--epochs", "1", "--limit", "2", "--val-limit", "1", "--lr", "1e-6"}
	from := []string{"--pretrained", file, "--skip-mismatch"} // normalizations are numbered, so one name belongs to different layers

	t.Run("none", func(t *testing.T) {
		for _, test := range []struct{ args, words []string }{
			{nil, []string{"cannot download the ImageNet weights", "put the file", " at ", "--pretrained FILE"}},
			{[]string{"--pretrained", "none.h5"}, []string{"--pretrained ", "none.h5: no such file"}},
		} {
			out := filepath.Join(t.TempDir(), "none")
			if text := execute(t, 1, test.words, few(out, append(append([]string{"decay"}, test.args...), short...)...)...); text != "" {
				t.Errorf("runs were started:\n%s", text)
			}
		}
	})
	t.Run("tricks", func(t *testing.T) {
		out := filepath.Join(dir, "tricks")
		words := []string{"failed    --pretrained: ", "runs that failed: vgg19_pretrain: ", "vgg19_no_trick, run 3"}
		execute(t, 1, words, few(out, append([]string{"tricks", "--pretrained", file}, short...)...)...)
		complete(t, out)
		execute(t, 0, []string{"loaded: block1_conv1"}, few(out, append(append([]string{"tricks"}, from...), short...)...)...)
		text := page(t, out)
		if n := strings.Count(text, "<td class=\"\">finished</td>"); n != 3 {
			t.Errorf("%d runs are finished, want 3", n)
		}
		if err := os.Rename(file, file+" elsewhere"); err != nil {
			t.Fatal(err)
		}
		defer os.Rename(file+" elsewhere", file)
		execute(t, 0, nil, few(out, append(append([]string{"tricks"}, from...), short...)...)...) // which does not need the file
		os.RemoveAll(out)
	})
	for name, runs := range map[string]string{
		"decay": "vgg19_pretrain,vgg19_pretrain_0.0005",
		"init":  "vgg19_pretrain_0.0005,vgg19_pretrain_0.0005_normal_wi_parameters",
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(dir, name)
			text := execute(t, 0, nil, few(out, append(append([]string{name, "--runs", runs}, from...), short...)...)...)
			if n := strings.Count(text, "loaded: block1_conv1"); n != 2 {
				t.Errorf("%d runs took weights, want 2:\n%s", n, text)
			}
			if !strings.Contains(page(t, out), "93.4 %") {
				t.Error("the page lacks the reference's figure")
			}
			os.RemoveAll(out)
		})
	}
}

func TestMemory(t *testing.T) {
	out := filepath.Join(t.TempDir(), "memory")
	// By hand, for batch 2: 12·28,187,826 + 16·(3,072 + 65,536 + 16,384 + 32,768 + 8,192 + 2·16,384
	// + 4,096 + 2·8,192 + 2,048 + 2·2,048 + 512 + 2·4,096 + 10) = 341,358,840 bytes.
	execute(t, 0, []string{"block5_conv2", "28,187,826", "341.4 MB", "workspace"}, "memory", "--model",
		"vgg11", "--batch", "2", "--out", out)
	if text := page(t, out); !strings.Contains(text, "341.4 MB") || strings.Contains(text, `class="chart"`) {
		t.Error("the page lacks the sum, or has charts")
	}
}

// TestKilled kills an experiment several times. Its report must be that of an uninterrupted one.
func TestKilled(t *testing.T) {
	clitest.Once(t)
	args := func(out string) []string { return few(out, "depth", "--runs", "vgg11_A,vgg13_B", "--epochs", "2") }
	alone, killed := filepath.Join(t.TempDir(), "alone"), filepath.Join(t.TempDir(), "killed")
	began := time.Now()
	execute(t, 0, nil, args(alone)...)
	took := time.Since(began)
	for i := range 4 {
		p := start(t, append(args(killed), "--save-every", "1ms")...)
		time.Sleep(took * time.Duration(i+1) / 6)
		p.Kill()
		p.End()
	}
	execute(t, 0, nil, args(killed)...)
	if diff := cmp.Diff(page(t, alone), page(t, killed)); diff != "" {
		t.Errorf("not the report of an uninterrupted experiment (-want +got):\n%s", diff)
	}
	before := page(t, killed)
	text := execute(t, 0, []string{"finished  before"}, args(killed)...)
	if strings.Contains(text, "machine") {
		t.Errorf("a finished run was repeated:\n%s", text)
	}
	if page(t, killed) != before {
		t.Error("the report has changed")
	}
	execute(t, 1, []string{"--limit 5, not 4"}, append(args(killed), "--limit", "4")...)

	// A run with a damaged history is resumed from its checkpoint.
	clitest.Put(t, []byte("damaged"), killed, "vgg13_B", run.HistoryName)
	execute(t, 0, nil, args(killed)...)
	if page(t, killed) != before {
		t.Error("the report has changed")
	}
}

func TestInterrupted(t *testing.T) {
	clitest.Once(t)
	out := filepath.Join(t.TempDir(), "out")
	p := start(t, few(out, "depth", "--epochs", "1000")...)
	for _, err := os.Stat(filepath.Join(out, "vgg11_A", run.HistoryName)); err != nil; {
		time.Sleep(10 * time.Millisecond)
		_, err = os.Stat(filepath.Join(out, "vgg11_A", run.HistoryName))
	}
	execute(t, 1, []string{out, "another process"}, few(out, "depth")...)
	p.Signal(os.Interrupt)
	if o := p.End(); o.Code != 130 || !strings.Contains(o.Stderr, "depth --epochs 1000") {
		t.Errorf("exit %d, want 130 and how to continue: %s", o.Code, o.Stderr)
	}
	complete(t, out)
}
