package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/run"
)

// TestEscapes runs commands on files and arguments with escape sequences at many places. None may
// reach the terminal.
func TestEscapes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("names of files cannot have control characters")
	}
	const escape = "\x1b]0;title\a\x1b[31m\u009b1m\r\x7f"
	dir := filepath.Join(t.TempDir(), escape)
	model := classifytest.Run(t)
	image := clitest.Put(t, classifytest.PNG(t, 0), dir, escape+".png")
	other := clitest.Put(t, classifytest.PNG(t, 1), dir, "good.png")
	broken := clitest.Put(t, []byte(escape), dir, "broken", escape+".png")
	labels := clitest.Put(t, []byte(strings.Repeat(escape+"a\nb\n", 5)), dir, "labels")
	for class := range 2 {
		for _, set := range []string{"train", "test"} {
			clitest.Put(t, classifytest.PNG(t, class), dir, "data", set, escape+string(rune('a'+class)), escape+".png")
		}
	}
	data := filepath.Join(dir, "data")
	bad := filepath.Join(dir, "bad")
	clitest.Put(t, []byte("no image"), bad, "train", escape, escape+".png")
	text, err := json.Marshal(escape)
	if err != nil {
		t.Fatal(err)
	}
	config := func(name, json string) string {
		return filepath.Dir(clitest.Put(t, []byte(json), dir, name, run.ConfigName))
	}
	commands := [][]string{
		{escape}, {"help", escape}, {"train", "--" + escape}, {"train", escape}, {"train", "--model", escape},
		{"train", "--lr", escape},
		{"train", "--data", escape}, {"train", "--data", bad}, {"train", "--out", image},
		{"train", "--pretrained", image, "--data", "shapes"},
		{"train", "--data", data, "--model", "vgg11", "--epochs", "0", "--out", filepath.Join(dir, "run"), "--verbose"},
		{"train", "--resume", filepath.Join(dir, "run"), "--verbose"}, {"train", "--resume", dir},
		{"train", "--resume", config("model", `{"settings": {"model": `+string(text)+`}}`)},
		{"train", "--resume", config("name", `{"settings": {`+string(text)+`: 1}}`)},
		{"train", "--resume", config("algorithm", `{"settings": {}, "convolutions": {`+string(text)+`: "x"}}`)},
		{"train", "--resume", config("raw", `{"settings": {"model": "`+escape+`"}}`)},
		{"predict", model, image}, {"predict", model, image, other, "--json"}, {"predict", model, dir},
		{"predict", model, broken},
		{"predict", model, image, other, "--labels", labels}, {"predict", image, image}, {"predict", dir, image},
		{"evaluate", model, "--data", data},
		{"evaluate", model, "--data", "shapes", "--limit", "20", "--labels", labels},
		{"evaluate", model, "--data", "shapes", "--limit", "20", "--confusion", filepath.Join(dir, "confusion.png")},
		{"evaluate", model, "--data", "shapes", "--confusion", escape}, {"serve", dir},
		{"serve", model, "--listen", escape},
		{"experiment", escape}, {"experiment", "compare", dir}, {"experiment", "depth", "--runs", escape},
		{"bench", escape},
		{"bench", "networks", "--models", escape}, {"tune", escape},
		{"predict", "testdata/escape_in_dtype.safetensors", other}, {"predict", "testdata/escape_in_path.h5", other},
	}
	keras, err := os.ReadFile(filepath.Join("testdata", "gap.h5"))
	if err != nil {
		t.Fatal(err)
	}
	for i, word := range []string{"Conv2D", "conv2d", "Dense", "dense", "kernel", "bias", "float32",
		"glorot_uniform", "channels_last",
		"relu", "softmax", "Sequential", "class_name", "weight_names", "layer_names", "model_config", "backend"} {
		text := bytes.ReplaceAll(keras, []byte(word), []byte("\u009b"+word[2:])) // of the same length
		commands = append(commands, []string{"predict", clitest.Put(t, text, dir, string(rune('a'+i))+".h5"), other},
			[]string{"train", "--data", "shapes", "--model", "vgg11", "--epochs", "0", "--limit", "1",
				"--val-limit", "1",
				"--skip-mismatch", "--pretrained", filepath.Join(dir, string(rune('a'+i))+".h5")})
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, args := range commands {
		if testing.Short() && args[0] == "train" {
			continue
		}
		for i, arg := range args {
			if strings.HasPrefix(arg, "testdata/") {
				args[i] = filepath.Join(here, arg)
			}
		}
		o := clitest.Execute(t, clitest.Command(t, args...))
		printed := o.Stdout + o.Stderr
		if strings.ContainsFunc(printed, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			t.Errorf("%q prints %q", args, printed)
		}
		if strings.Contains(printed, `\u001b`) || strings.Contains(printed, `\x1b`) || strings.Contains(printed, `\u009b`) {
			shown++
		}
	}
	if shown < len(commands)/3 {
		t.Errorf("%d of %d commands show an escape", shown, len(commands))
	}
}
