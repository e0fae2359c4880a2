package command

import (
	"strings"
	"testing"
)

func TestBenchFlags(t *testing.T) {
	for _, test := range []struct{ args, err string }{
		{"", ""},
		{"conv --threads 1", ""},
		{"gemm networks --models vgg11,vgg16c --batch 32 --runs 1", ""},
		{"step --models vgg13 --markdown", ""},
		{"winograd", `unknown table "winograd"`},
		{"tune", `unknown table "tune"`},
		{"--models vgg12", `--models "vgg12": must be one of vgg11,`},
		{"--models=", "--models"},
		{"--batch 0", "must be at least 1"},
		{"--batch 1000000000", "at most 65536"},
		{"--threads 0", "must be at least 1"},
		{"--threads 1000000", "at most"},
		{"--runs -1", "must be at least 1"},
		{"--speed", "unknown flag"},
		{"--measur train", "unknown flag --measur: see --help"},
	} {
		_, _, err := newBench().command().Parse(strings.Fields(test.args))
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("bench %s: error %v, want %q", test.args, err, test.err)
		}
	}
}

// The table step takes long, so it measures one network unless others are given.
func TestBenchStepModels(t *testing.T) {
	for _, test := range []struct{ args, models string }{
		{"step", "vgg19"},
		{"step --models vgg11,vgg13", "vgg11,vgg13"},
	} {
		b := newBench()
		if _, _, err := b.command().Parse(strings.Fields(test.args)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(b.StepModels, ","); got != test.models {
			t.Errorf("bench %s: networks %s, want %s", test.args, got, test.models)
		}
	}
}

func TestTuneFlags(t *testing.T) {
	for _, test := range []struct{ args, err string }{
		{"--runs 1 --batch 64", ""},
		{"conv", `unexpected argument "conv"`},
		{"--batch 0", "must be at least 1"},
		{"--models vgg11", "unknown flag"},
	} {
		_, _, err := newTune().command().Parse(strings.Fields(test.args))
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("tune %s: error %v, want %q", test.args, err, test.err)
		}
	}
}
