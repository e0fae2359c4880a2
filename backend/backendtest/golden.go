package backendtest

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

// Golden compares a float32 backend with what Keras computed, operation by operation:
// every case in the reference data, which it skips the test without.
func Golden(t *testing.T, open func(t *testing.T) backend.Backend) {
	for _, section := range []struct {
		name, file string
		test       func(*goldenCase)
	}{
		{"Conv2D", "ops_conv2d.safetensors", (*goldenCase).linear},
		{"Dense", "ops_dense.safetensors", (*goldenCase).linear},
		{"BatchNorm", "ops_batchnorm.safetensors", (*goldenCase).batchNorm},
		{"ReLU", "ops_relu.safetensors", (*goldenCase).relu},
		{"MaxPool", "ops_maxpool.safetensors", (*goldenCase).maxPool},
		{"Dropout", "ops_dropout.safetensors", (*goldenCase).dropout},
		{"SoftmaxLoss", "ops_softmax_ce.safetensors", (*goldenCase).softmaxLoss},
	} {
		t.Run(section.name, func(t *testing.T) {
			data := golden.Read(t, section.file)
			cases := data.Cases()
			if len(cases) == 0 {
				t.Fatalf("no case in %s", section.file)
			}
			for _, name := range cases {
				t.Run(name, func(t *testing.T) {
					section.test(&goldenCase{newDevice(t, open(t)), data, name})
				})
			}
		})
	}
	t.Run("SGD", func(t *testing.T) { goldenSGD(t, open) })
	t.Run("AdamW", func(t *testing.T) { goldenAdamW(t, open) })
	t.Run("Muon", func(t *testing.T) { goldenMuon(t, open) })
	t.Run("Losses", func(t *testing.T) { goldenLosses(t, open) })
	t.Run("Functions", func(t *testing.T) { goldenFunctions(t, open) })
	t.Run("Dataset", func(t *testing.T) { goldenDataset(t, open) })
}

// goldenCase is one case of a file, and the backend to try it on.
type goldenCase struct {
	*device
	tensors *golden.Tensors
	name    string
}

func (g *goldenCase) get(name string) []float32 {
	g.t.Helper()
	return g.tensors.Get(g.t, g.name+"/"+name).Data
}

func (g *goldenCase) shape(name string) tensor.Shape {
	g.t.Helper()
	return g.tensors.Get(g.t, g.name+"/"+name).Shape
}

// within compares with a tolerance relative to the largest value.
func (g *goldenCase) within(name string, got []float32, relative float64) {
	g.t.Helper()
	want := g.get(name)
	golden.Within(g.t, name, got, want, relative*golden.Largest(want))
}

func (g *goldenCase) linear() {
	xs, ws := g.shape("x"), g.shape("kernel")
	n, h, w, in := xs.NHWC()
	c := conv(n, h, w, in, ws[len(ws)-1], ws[0])
	if len(ws) == 2 {
		c = denseCase(n, in, ws[1])
	}
	data := linearData{x: g.get("x"), w: g.get("kernel"), b: g.get("bias"), dy: g.get("dy")}
	got := c.passes(g.device, data)
	sums := c.passes(newDevice(g.t, Reference()), linearData{absolute(data.x), absolute(data.w), absolute(data.b), absolute(data.dy)})
	compare := func(name string, got, sums []float32) {
		g.t.Helper()
		want := g.get(name)
		largest := golden.Largest(want)
		// The second term is for a tensor of few elements, which may all nearly cancel.
		near(g.t, name, got, want, func(i int) float64 { return 2e-6*largest + 2*unit*float64(sums[i]) })
	}
	compare("y", got.y, sums.y)
	compare("dx", got.dx, sums.dx)
	compare("dkernel", got.dw, sums.dw)
	compare("dbias", got.db, sums.db)
}

// What the names of special cases begin with.
const (
	offsetCases  = "bn_offset"       // the mean is far larger than the deviation
	extremeCases = "softmax_extreme" // logits of some hundred
)

func (g *goldenCase) batchNorm() {
	var cases []struct {
		Case            string
		ConstantChannel *int `json:"constant_channel"`
	}
	g.tensors.Meta(g.t, "cases", &cases)
	constant := -1 // the channel of one value only, which is ill-conditioned
	for _, c := range cases {
		if c.Case == g.name && c.ConstantChannel != nil {
			constant = *c.ConstantChannel
		}
	}
	offset := strings.HasPrefix(g.name, offsetCases)

	shape := g.shape("x")
	in := normData{x: g.get("x"), gamma: g.get("gamma"), beta: g.get("beta"),
		mean: g.get("moving_mean"), variance: g.get("moving_var"), dy: g.get("dy")}
	spec := backend.BatchNormSpec{Shape: shape, Epsilon: 1e-3, Momentum: 0.99, Unbiased: len(shape) == 4}
	got := normPasses(g.device, spec, in, true)
	spec.Unbiased = false
	biased := normPasses(g.device, spec, in, false)

	relative, statistics := 1e-5, 1e-6
	if offset {
		relative, statistics = 3e-4, 1e-5
	}
	g.within("moving_mean_out", got.mean, statistics)
	g.within("moving_var_out", got.variance, statistics)
	g.within("moving_var_out_biased", biased.variance, statistics)
	g.within("y_eval", got.inferred, relative)
	g.within("dbeta", got.dbeta, relative)

	// In the constant channel x − mean is only the rounding of the mean, which 1/sqrt(ε)
	// and γ multiply: 1e-4 where values are about 1, else 128 roundings of the largest x.
	channels := len(in.gamma)
	samples := len(in.x) / channels
	var eY, eDgamma, eDx float64
	if offset && constant >= 0 {
		r := 1 / math.Sqrt(1e-3)
		e, gamma, sum := 128*unit*golden.Largest(in.x)*r, math.Abs(float64(in.gamma[constant])), 0.0
		for i := constant; i < len(in.dy); i += channels {
			sum += math.Abs(float64(in.dy[i]))
		}
		eY, eDgamma, eDx = gamma*e, e*sum, gamma*r*e*e*sum/float64(samples)
	}
	compare := func(name string, got []float32, relative, eConstant float64) {
		g.t.Helper()
		want := g.get(name)
		largest := golden.Largest(want)
		near(g.t, name, got, want, func(i int) float64 {
			if i%channels == constant {
				return max(relative, 1e-4)*largest + eConstant
			}
			return relative * largest
		})
	}
	compare("y", got.y, relative, eY)
	compare("dgamma", got.dgamma, relative, eDgamma)
	if samples == 2 { // then dx almost cancels
		relative = max(relative, 1e-4)
	}
	compare("dx", got.dx, relative, eDx)
	compare("dx", biased.dx, relative, eDx)
}

// unrounded checks a plan whose results are exact.
func (g *goldenCase) unrounded(plan backend.Activation, err error) {
	p := must(g.device, plan, err)
	for _, inPlace := range []bool{false, true} {
		y, dx := activationPasses(g.device, p, g.shape("x"), g.shape("y"), 0, g.get("x"), g.get("dy"), inPlace)
		near(g.t, "y", y, g.get("y"), exact)
		near(g.t, "dx", dx, g.get("dx"), exact)
	}
}

func (g *goldenCase) relu() {
	plan, err := g.Function(g.shape("x"), tensor.Rectifier())
	g.unrounded(plan, err)
}

func (g *goldenCase) maxPool() {
	plan, err := g.Pool(backend.PoolSpec{Shape: g.shape("x"), Window: tensor.Square(2, 2)})
	g.unrounded(plan, err)
}

// dropout compares what both this mask and Keras's keep: the rate is in the case's name.
func (g *goldenCase) dropout() {
	rate, err := strconv.ParseFloat(strings.Split(g.name, "_")[1], 64)
	if err != nil {
		g.t.Fatal(err)
	}
	shape := g.shape("x")
	plan, err := g.Dropout(backend.DropoutSpec{Shape: shape, Rate: float32(rate), Seed: 1})
	p := must(g.device, plan, err)
	y, dx := activationPasses(g.device, p, shape, shape, 0, g.get("x"), g.get("dy"), false)
	wantY, wantDx, mask := slices.Clone(g.get("y")), slices.Clone(g.get("dx")), g.get("mask")
	kept := 0
	for i, m := range mask {
		if m == 0 || y[i] == 0 {
			wantY[i], wantDx[i], y[i], dx[i] = 0, 0, 0, 0
		} else {
			kept++
		}
	}
	if kept == 0 {
		g.t.Error("no element is kept by both masks")
	}
	// Keras rounds 1/(1 − rate) from a rate in float64, a backend from one in float32. Then each
	// rounds its product.
	ours, keras := float32(1/(1-float64(float32(rate)))), float32(1/(1-rate))
	relative := math.Abs(float64(ours)/float64(keras)-1) + 2*unit
	near(g.t, "y", y, wantY, func(i int) float64 { return relative * math.Abs(float64(wantY[i])) })
	near(g.t, "dx", dx, wantDx, func(i int) float64 { return relative * math.Abs(float64(wantDx[i])) })
}

func (g *goldenCase) softmaxLoss() {
	shape, labels := g.shape("logits"), g.get("labels")
	n, classes := shape[0], shape[1]
	m, dlogits := lossPasses(g.device, backend.LossSpec{N: n, Classes: classes}, lossData{logits: g.get("logits"), labels: labels}, true)
	golden.Within(g.t, "dlogits", dlogits, g.get("dlogits"), 1e-6)
	want := float64(g.get("loss")[0])
	tolerance := 1e-6
	if strings.HasPrefix(g.name, extremeCases) {
		tolerance = 1e-5 * want
	}
	if !(math.Abs(m.Loss-want) <= tolerance) {
		g.t.Errorf("loss %g, want %g: tolerance %.3g", m.Loss, want, tolerance)
	}
	logits, correct := g.get("logits"), 0
	for i, label := range labels {
		row := logits[i*classes:][:classes]
		if slices.Index(row, slices.Max(row)) == int(label) {
			correct++
		}
	}
	if m.Correct != correct || m.Images != n {
		g.t.Errorf("measured %+v, want %d of %d correct", m, correct, n)
	}
}
