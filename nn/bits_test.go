package nn

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// bitsFile holds the digests of TestBits, a line for each case: name, digest of the weights, digest
// of the logits.
const bitsFile = "testdata/bits.txt"

// TestBits trains 20 steps at every level, in float32 with each choice of convolution algorithms
// and in bfloat16, and compares all weights, and then the logits of a Predictor, with the digests
// in bitsFile. A change of speed or of structure leaves them as they are. One that is meant to
// change results rewrites the file:
//
//	LAMINA_BITS=write go test -run TestBits ./nn
//
// which keeps the lines of levels that this machine lacks.
func TestBits(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the digests are of amd64: other compilers fuse multiplications and additions")
	}
	want := readBits(t)
	got := map[string]string{}
	for _, level := range ops.Levels() {
		for _, algorithm := range cpu.ConvAlgorithms() {
			if level == level.Float() {
				digest(t, got, level.String()+"/fp32/"+algorithm, cpu.Options{Level: level, Conv: algorithm})
			}
		}
		digest(t, got, level.String()+"/bf16", cpu.Options{Level: level, BF16: true})
	}
	if os.Getenv("LAMINA_BITS") == "write" {
		writeBits(t, want, got)
		return
	}
	known := map[string]bool{} // levels with digests
	for name := range want {
		level, _, _ := strings.Cut(name, "/")
		known[level] = true
	}
	for name, bits := range got {
		level, _, _ := strings.Cut(name, "/")
		switch {
		case want[name] == "" && known[level]:
			t.Errorf("%s has no digest in %s: see LAMINA_BITS above", name, bitsFile)
		case want[name] == "":
			t.Logf("%s has %s: %s has no digest of that level, see LAMINA_BITS above", name, bits, bitsFile)
		case bits != want[name]:
			t.Errorf("%s: weights and logits have the digests %s, want %s", name, bits, want[name])
		}
	}
}

// digest trains and infers, and keeps what comes out under a name.
func digest(t *testing.T, got map[string]string, name string, o cpu.Options) {
	t.Run(name, func(t *testing.T) {
		b, err := cpu.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		net := bitsNetwork(t)
		images := bitsImages()
		trainer, err := NewTrainer(b, net, Config{Data: images, Validation: images, Epochs: 10, Batch: 32, Schedule: Constant(0.02),
			Momentum: 0.9, Init: HeNormal(), Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		if err := trainer.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if trainer.Step != 20 {
			t.Fatalf("%d steps, want 20", trainer.Step)
		}
		weights := sha256.New()
		for _, w := range net.Weights {
			values, err := trainer.Model.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			binary.Write(weights, binary.LittleEndian, values)
		}
		p, err := trainer.Model.NewPredictor(32, 1)
		if err != nil {
			t.Fatal(err)
		}
		logits := sha256.New()
		for _, n := range []int{images.Len(), 1, 5} { // whole batches and a rest; one; a number that the backend keeps no weights for
			values, err := p.Logits(images.Pixels[:n*net.Input.Size()])
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				if !tensor.Finite(v) {
					t.Fatalf("a logit is %v", v)
				}
			}
			binary.Write(logits, binary.LittleEndian, values)
		}
		got[name] = hex.EncodeToString(weights.Sum(nil)[:12]) + " " + hex.EncodeToString(logits.Sum(nil)[:12])
	})
}

// bitsNetwork has convolutions for every algorithm, on maps from 16x16 to 2x2, and every layer.
func bitsNetwork(t *testing.T) *Network {
	conv := func(kernel, filters int) []Layer {
		return []Layer{Conv2D{Kernel: kernel, Filters: filters, L2: 0.0005}, BatchNorm{}, ReLU{}}
	}
	var layers []Layer
	for _, some := range [][]Layer{
		conv(3, 64), conv(3, 64), {MaxPool{}}, conv(3, 80), {MaxPool{}}, conv(1, 72), conv(3, 128), {MaxPool{}},
		conv(3, 64), {Conv2D{Kernel: 3, Filters: 70}, ReLU{}, MaxPool{}, Flatten{}},
		{Dense{Units: 200, L2: 0.0005}, BatchNorm{}, ReLU{}, Dropout{Rate: 0.3}, Dense{Units: 10, L2: 0.0005}, BatchNorm{}},
	} {
		layers = append(layers, some...)
	}
	return mustBuild(t, Sequential{Input: tensor.Shape{16, 16, 3}, Classes: 10, Layers: layers})
}

// bitsImages are 52: a batch of 32 and one of 20.
func bitsImages() *Images {
	const n = 52
	d := &Images{Height: 16, Width: 16, Channels: 3, NumClasses: 10, Seed: 5}
	r := rand.New(rand.NewPCG(7, 8))
	for range n * 16 * 16 * 3 {
		d.Pixels = append(d.Pixels, float32(r.IntN(256))-120)
	}
	for i := range n {
		d.Labels = append(d.Labels, float32(i%10))
	}
	return d
}

func readBits(t *testing.T) map[string]string {
	f, err := os.Open(bitsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, bits, ok := strings.Cut(lines.Text(), " "); ok && name != "#" {
			want[name] = bits
		}
	}
	return want
}

func writeBits(t *testing.T, want, got map[string]string) {
	for name, bits := range got {
		want[name] = bits
	}
	var text strings.Builder
	text.WriteString("# Digests of TestBits: level/precision/algorithms, weights, logits.\n")
	for _, level := range []string{"generic", "avx2", "avx512", "avx512bf16", "amx"} {
		for _, kind := range []string{"fp32/auto", "fp32/im2col", "fp32/f4", "fp32/f2", "bf16"} {
			if bits := want[level+"/"+kind]; bits != "" {
				fmt.Fprintf(&text, "%s/%s %s\n", level, kind, bits)
			}
		}
	}
	if err := os.WriteFile(bitsFile, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}
