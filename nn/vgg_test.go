package nn

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/ops"
)

func TestGoldenVGGForward(t *testing.T) {
	type checksum struct {
		Index  int        `json:"index"`
		Name   string     `json:"name"`
		Sum    float64    `json:"sum"`
		SumSq  float64    `json:"sumsq"`
		First4 [4]float32 `json:"first4"`
	}
	var data struct {
		Seed   uint64 `json:"seed"`
		Images struct {
			File   string    `json:"file"`
			First  int       `json:"first_record"`
			Labels []float32 `json:"labels"`
		} `json:"images"`
		Networks map[string]struct {
			Weights []checksum  `json:"weights"`
			Logits  [][]float32 `json:"logits"`
			Loss    float64     `json:"data_loss"`
			Squares float64     `json:"sum_of_squared_kernels"`
		} `json:"networks"`
	}
	golden.JSON(t, "vgg_forward.json", &data)
	if len(data.Networks) == 0 {
		t.Fatal("no networks")
	}
	pixels, labels := goldenImages(t, data.Images.File, data.Images.First, len(data.Images.Labels))
	golden.Within(t, "labels", labels, data.Images.Labels, 0)
	images := withoutMean(pixels)
	for name, want := range data.Networks {
		options := cifarVGG()
		net := mustVGG(t, name, options)
		values := map[string][]float32{}
		for i, w := range net.Weights {
			values[w.Name] = formulaWeight(data.Seed, uint64(i), w)
		}
		for _, c := range want.Weights {
			var sum, squares float64
			for _, v := range values[c.Name] {
				sum += float64(v)
				squares += float64(v) * float64(v)
			}
			if net.Weights[c.Index].Name != c.Name || !(math.Abs(squares-c.SumSq) <= 1e-9*c.SumSq) ||
				!(math.Abs(sum-c.Sum) <= 1e-9*(1+math.Abs(c.Sum))) || [4]float32(values[c.Name]) != c.First4 {
				t.Fatalf("%s: weight %d is not that of the formula", name, c.Index)
			}
		}
		for _, level := range ops.FloatLevels() {
			t.Run(name+"/"+level.String(), func(t *testing.T) {
				b := openCPU(t, level)
				m, err := NewModel(b, net)
				if err != nil {
					t.Fatal(err)
				}
				for weight, v := range values {
					if err := m.Set(weight, v); err != nil {
						t.Fatal(err)
					}
				}
				p, err := m.NewPredictor(len(labels))
				if err != nil {
					t.Fatal(err)
				}
				logits, err := p.Logits(images)
				if err != nil {
					t.Fatal(err)
				}
				for i := range labels {
					golden.Within(t, "logits", logits[i*10:(i+1)*10], want.Logits[i], 1e-4)
				}
				result, err := p.Evaluate(context.Background(), &Images{32, 32, 3, 10, images, labels, 0})
				if err != nil {
					t.Fatal(err)
				}
				loss := want.Loss + float64(options.L2)*want.Squares
				if !(math.Abs(result.Loss-loss) <= 1e-4*loss) {
					t.Errorf("loss %v, want %v", result.Loss, loss)
				}
			})
		}
	}
}

// formulaWeight returns the values of weight number t: element i is made from a 64-bit hash
// of seed, t and i.
func formulaWeight(seed, t uint64, w Weight) []float32 {
	values := make([]float32, w.Shape.Size())
	_, kind, _ := strings.Cut(w.Name, "/")
	scale := math.Sqrt(6 / float64(max(w.FanIn, 1)))
	if t == 0 {
		scale /= 64
	}
	var group sync.WaitGroup
	const block = 1 << 20
	for first := 0; first < len(values); first += block {
		group.Go(func() {
			for i := first; i < min(first+block, len(values)); i++ {
				z := seed<<56 + t<<40 + uint64(i)
				z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
				z = (z ^ z>>27) * 0x94D049BB133111EB
				z ^= z >> 31
				u := float64(z>>40) / (1 << 24)
				switch kind {
				case "kernel":
					u = (2*u - 1) * scale
				case "bias", "beta":
					u = (2*u - 1) * 0.1
				case "gamma":
					u = 0.75 + 0.5*u
				case "moving_mean":
					u = (2*u - 1) * 0.2
				case "moving_variance":
					u = 0.5 + u
				}
				values[i] = float32(u)
			}
		})
	}
	group.Wait()
	return values
}

// goldenImages returns records of a file of CIFAR-10, pixels (N, 32, 32, 3) from 0 to 255 and
// class numbers: from the reference data where they have them, or from the data set in
// the folder data of the project.
func goldenImages(t *testing.T, file string, first, n int) (pixels, labels []float32) {
	t.Helper()
	trace := golden.Read(t, "trace.safetensors")
	var source struct {
		File      string `json:"file"`
		First     int    `json:"first_record"`
		EvalFile  string `json:"eval_file"`
		EvalFirst int    `json:"eval_first_record"`
	}
	trace.Meta(t, "source", &source)
	const each = 32 * 32 * 3
	for _, s := range []struct {
		prefix, file string
		first        int
	}{{"", source.File, source.First}, {"eval/", source.EvalFile, source.EvalFirst}} {
		all := trace.Get(t, s.prefix+"labels").Data
		if at := first - s.first; s.file == file && at >= 0 && at+n <= len(all) {
			return trace.Get(t, s.prefix+"images").Data[at*each : (at+n)*each], all[at : at+n]
		}
	}
	path := filepath.Join("..", "data", "cifar-10-batches-bin", file)
	records, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("the reference data use images %d to %d of %s, which is absent", first, first+n-1, path)
	}
	if err != nil || len(records) < (first+n)*(each+1) {
		t.Fatalf("%s: %d bytes, %v", path, len(records), err)
	}
	for i := first; i < first+n; i++ {
		record := records[i*(each+1) : (i+1)*(each+1)]
		labels = append(labels, float32(record[0]))
		for p := range 32 * 32 {
			for c := range 3 {
				pixels = append(pixels, float32(record[1+c*32*32+p]))
			}
		}
	}
	return pixels, labels
}
