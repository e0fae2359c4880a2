package command

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/run"
)

func TestTrainMistakes(t *testing.T) {
	tests := []struct {
		args  string
		words []string // of the sentence
	}{
		{"--model vgg12", []string{"--model", "vgg12", "vgg11, vgg13, vgg16c, vgg16, vgg19, resnet18, resnet20"}},
		{"--model resnet18 --dropout 0.5", []string{"--model resnet18", "omit --dropout"}},
		{"--model resnet20 --bn=false", []string{"--model resnet20", "omit --dropout and --bn"}},
		{"--model resnet18 --pretrained imagenet", []string{"--pretrained imagenet", "not those of resnet18"}},
		{"--precision fp64", []string{"--precision", "fp64", "fp32"}},
		{"--precision bf16 --conv-algo f4", []string{"--conv-algo f4", "bf16", "im2col"}},
		{"--backend metal", []string{"--backend", "metal", "auto, cpu, cudnn"}},
		{"--conv-algo fft", []string{"--conv-algo", "fft", "im2col"}},
		{"--init zero", []string{"--init", "zero", "he_normal"}},
		{"--init normal:-1", []string{"--init", "normal:-1"}},
		{"--init normal:1e300", []string{"--init", "normal:1e300", "at most 3.4e38"}},
		{"--augment mirror", []string{"--augment", "mirror", "none, whole-pixel, sub-pixel"}},
		{"--augment flip,zoom:2", []string{"--augment", `"zoom:2" must be above 0 and at most 0.9`}},
		{"--augment flip,none", []string{"--augment", `"none" goes with no other word`}},
		{"--std 0", []string{"--std", "above 0"}},
		{"--std 1e300", []string{"--std", "1e300", "float32"}},
		{"--std 1,2", []string{"--std", "1,2"}},
		{"--save model.txt", []string{"--save", "model.txt", ".h5, .keras or .safetensors"}},
		{"--save-best", []string{"--save-best requires --save"}},
		{"--skip-mismatch", []string{"--skip-mismatch requires --pretrained"}},
		{"--rate 1", []string{"--rate", "--help"}},
		{"--epoch 3", []string{"unknown flag --epoch: did you mean --epochs?"}},
		{"-x", []string{"-x", "--help"}},
		{"shapes", []string{`"shapes"`}},
		{"--data shapes --bn false", []string{`"false"`, "--bn=false"}},
		{"--model", []string{"--model"}},
		{"--batch 0", []string{"--batch 0", "at least 1"}},
		{"--batch -1", []string{"--batch -1", "at least 1"}},
		{"--batch many", []string{"--batch", "many"}},
		{"--batch 99999999999999999999", []string{"--batch", "99999999999999999999"}},
		{"--epochs -1", []string{"--epochs -1", "at least 0"}},
		{"--threads -1", []string{"--threads -1", "at least 0"}},
		{"--threads 100000", []string{"--threads 100000", "at most"}},
		{"--limit -1", []string{"--limit -1", "at least 0"}},
		{"--val-limit -1", []string{"--val-limit -1", "at least 0"}},
		{"--epochs 9223372036854775807", []string{"--epochs", "at most"}},
		{"--warmup 9223372036854775807", []string{"--warmup", "at most"}},
		{"--warmup -1", []string{"--warmup -1", "at least 0"}},
		{"--seed -1", []string{"--seed", "-1"}},
		{"--size 0", []string{"--size", "from 8 to 512"}},
		{"--size 5000", []string{"--size", "from 8 to 512"}},
		{"--size 64x", []string{"--size", "HEIGHTxWIDTH"}},
		{"--size 16 --model vgg11", []string{"--size 16", "vgg11", "32 or more"}},
		{"--size 64x24", []string{"--size 64x24", "32 or more"}},
		{"--resize stretch", []string{"--resize", "squash, crop or pad"}},
		{"--head dense", []string{"--head", "flatten or gap"}},
		{"--head flatten --model resnet20", []string{"--head flatten", "resnet20"}},
		{"--val 0", []string{"--val", "above 0 and below 1"}},
		{"--val 1", []string{"--val", "above 0 and below 1"}},
		{"--val a_fifth", []string{"--val", "a_fifth", "above 0 and below 1"}},
		{"--lr NaN", []string{"--lr", "NaN"}},
		{"--lr Inf", []string{"--lr", "Inf"}},
		{"--lr 1e999", []string{"--lr", "infinite"}},
		{"--lr -0.1", []string{"--lr", "-0.1"}},
		{"--lr fast", []string{"--lr", "fast"}},
		{"--lr 0.1:3", []string{"--lr", "0.1:3"}},
		{"--lr cosine:-1", []string{"--lr", "cosine:-1"}},
		{"--dropout 1", []string{"--dropout 1", "below 1"}},
		{"--dropout -0.1", []string{"--dropout -0.1", "at least 0"}},
		{"--dropout NaN", []string{"--dropout NaN"}},
		{"--momentum 1", []string{"--momentum 1", "below 1"}},
		{"--weight-decay NaN", []string{"--weight-decay NaN"}},
		{"--save-every 0s", []string{"--save-every 0s", "above 0"}},
		{"--recipe slow", []string{"--recipe", "slow", "fast"}},
		{"--recipe fast --resume a", []string{"--recipe and --resume"}},
		{"--recipe fast --batch 0", []string{"--batch 0"}},
		{"--recipe fast --dropout 0.5", []string{"--model fast", "omit --dropout"}},
		{"--optimizer adam", []string{"--optimizer", "adam", "sgd, adamw, muon"}},
		{"--bias-lr 1", []string{"--bias-lr requires --optimizer muon"}},
		{"--recipe fast --head-lr x", []string{"--head-lr", "x"}},
		{"--label-smoothing 1", []string{"--label-smoothing 1", "below 1"}},
		{"--augment translate,none", []string{"--augment", "translate,none"}},
		{"--mean 1,2", []string{"--mean", "1,2"}},
		{"--out a --resume b", []string{"--out", "--resume"}},
		{"--out=", []string{"--out", "empty"}},
		{"--resume=", []string{"--resume", "empty"}},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) { fail(t, 2, test.words, append([]string{"train"}, strings.Fields(test.args)...)...) })
	}
}

func TestSummary(t *testing.T) {
	for model, lines := range map[string][]string{
		"vgg11": {
			"predictions_cifa10 (Dense)",
			"Total params: 28,187,826",
			"Trainable params: 28,165,918",
			"Non-trainable params: 21,908",
		},
		"vgg13": {
			"predictions_cifa10 (Dense)",
			"Total params: 28,373,106",
			"Trainable params: 28,350,814",
			"Non-trainable params: 22,292",
		},
		"vgg16c": {
			"predictions_cifa10 (Dense)",
			"Total params: 28,969,330",
			"Trainable params: 28,944,478",
			"Non-trainable params: 24,852",
		},
		"vgg16": {
			"predictions_cifa10 (Dense)",
			"Total params: 33,687,922",
			"Trainable params: 33,663,070",
			"Non-trainable params: 24,852",
		},
		"resnet20": {"Total params: 274,042", "conv2_block1_add (Add)", "Connected to"},
		"vgg19": {
			"predictions_cifa10 (Dense)",
			"Total params: 39,002,738",
			"Trainable params: 38,975,326",
			"Non-trainable params: 27,412",
		},
	} {
		text := succeed(t, "train", "--summary", "--model", model)
		for _, line := range append(lines, "(None, 10)") {
			if !strings.Contains(text, line) {
				t.Errorf("%s: %q is not in the summary:\n%s", model, line, text)
			}
		}
	}
}

// TestRecipe trains by the recipe, but for some flags, and resumes the run.
func TestRecipe(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	line := regexp.MustCompile(`(?m)^done +accuracy [0-9.]+ % with six views in [0-9.]+ minutes; the model is .*run; serve it with: lamina serve .*run$`)
	text := succeed(t, "train", "--recipe", "fast", "--data", "shapes", "--limit", "60", "--val-limit", "20",
		"--batch", "30", "--epochs", "2", "--verbose", "--out", out)
	if !line.MatchString(text) {
		t.Errorf("no line of the result in\n%s", text)
	}
	for _, want := range []string{
		`"recipe": "fast"`,
		`"optimizer": "muon"`,
		`"augment": "alternating-flip,translate"`,
		`"batch": 30`,
		`"momentum": 0.85`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("--verbose does not print %s", want)
		}
	}
	config, err := run.ReadConfig(out)
	if s := config.Settings; err != nil || s.Recipe != "fast" || s.Batch != 30 || s.Epochs != 2 || s.HeadLR != "linear:0.02045" || !s.TTA {
		t.Errorf("config.json has %+v, %v", s, err)
	}
	if text := succeed(t, "train", "--resume", out, "--epochs", "3"); !line.MatchString(text) {
		t.Errorf("no line of the result in\n%s", text)
	}
}
