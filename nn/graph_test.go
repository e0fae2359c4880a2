package nn

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/tensor"
)

// graphs returns networks that are no chains, or have layers that VGG lacks.
func graphs(t testing.TB) map[string]*Network {
	conv := func(filters, stride int) Conv2D {
		return Conv2D{Filters: filters, Kernel: 3, Stride: stride, NoBias: true}
	}
	silu, elu := Activation{Function: tensor.Function{Kind: tensor.SiLU}}, Activation{Function: tensor.Function{Kind: tensor.ELU,
		Alpha: 1}}
	tail := []Layer{GlobalAveragePool{}, Dense{Units: 3, L2: 0.01}}
	basic := func(filters, stride int) []Layer {
		return []Layer{conv(filters, stride), BatchNorm{}, ReLU{}, conv(filters, 1), BatchNorm{}}
	}
	all := map[string]Sequential{
		"residual": {Layers: []Layer{conv(4, 1), BatchNorm{}, ReLU{}, Residual{Layers: basic(4, 1)}, ReLU{},
			Residual{Layers: basic(4, 1)}, elu}},
		"projection": {Layers: []Layer{conv(4, 1), ReLU{},
			Residual{
				Layers:   basic(6, 2),
				Shortcut: []Layer{Conv2D{Filters: 6, Kernel: 1, Stride: 2, NoBias: true}, BatchNorm{}},
			}, ReLU{}}},
		"projection of the images": {Layers: []Layer{
			Residual{
				Layers:   []Layer{BatchNorm{}, ReLU{}, conv(3, 1)},
				Shortcut: []Layer{Conv2D{Filters: 3, Kernel: 1}},
			}}},
		"normalized images": {Layers: []Layer{BatchNorm{Name: "bn"}, From{images, Conv2D{Name: "c",
			Filters: 2, Kernel: 3}},
			Add{Inputs: []string{"bn", "c", images}}}},
		"ReLUs": {Layers: []Layer{Conv2D{Name: "a", Filters: 3, Kernel: 3}, ReLU{Name: "ra"},
			DepthwiseConv2D{Name: "b", Kernel: 3, NoBias: true}, ReLU{Name: "rb"},
			Add{Name: "s", Inputs: []string{"ra", "rb"}}, Add{Name: "t", Inputs: []string{"ra", "ra", "s"}}, ReLU{},
			From{"rb", Conv2D{Name: "c", Filters: 3, Kernel: 3}}, ReLU{Name: "rc"},
			From{"rb", BatchNorm{Name: "bn"}}, ReLU{Name: "rbn"},
			Concatenate{Inputs: []string{"activation", "rc", "rbn", "rb"}}, Conv2D{Filters: 4, Kernel: 3},
			ReLU{}, MaxPool{}}},
		"images normalized last": {Layers: []Layer{Conv2D{Name: "c", Filters: 2, Kernel: 3}, From{images,
			BatchNorm{Name: "bn"}},
			Add{Inputs: []string{"bn", "c"}}}},
		"pre-activation": {Layers: []Layer{conv(4, 1),
			Residual{Layers: []Layer{BatchNorm{}, ReLU{}, conv(4, 1), BatchNorm{}, silu, conv(4, 1)}},
			Residual{Layers: []Layer{BatchNorm{}, ReLU{}, conv(4, 1)}}, BatchNorm{}, ReLU{}}},
		"residuals within residuals": {Layers: []Layer{conv(4, 1),
			Residual{Layers: []Layer{Residual{Layers: []Layer{conv(4, 1)}}, Residual{Layers: []Layer{silu}}},
				Shortcut: []Layer{Residual{Layers: []Layer{ReLU{}}}}}}},
		"concatenations": {Layers: []Layer{Conv2D{Name: "stem", Filters: 4, Kernel: 3}, silu,
			Conv2D{Name: "a", Filters: 2, Kernel: 1}, From{"stem", Conv2D{Name: "b", Filters: 3, Kernel: 3}},
			From{"stem", AveragePool{Name: "c", Size: 3, Stride: 1, Padding: Same}},
			Concatenate{Name: "all", Inputs: []string{"a", "b", "c", images}}, BatchNorm{}, ReLU{},
			Conv2D{Name: "d", Filters: 2, Kernel: 3}, Concatenate{Inputs: []string{"", "all", "all"}}}},
		"many take one": {Layers: []Layer{conv(4, 1), Conv2D{Name: "x", Filters: 3, Kernel: 3},
			Add{Name: "twice", Inputs: []string{"", "x"}}, // the first to take x
			From{"x", BatchNorm{Name: "bn"}},
			From{"x", Activation{Name: "f", Function: tensor.Function{Kind: tensor.Tanh}}},
			From{"x", MaxPool{Name: "p", Size: 3, Stride: 1, Padding: Same}},
			From{"x", Conv2D{Name: "c", Filters: 3, Kernel: 3}},
			Add{Inputs: []string{"twice", "bn", "f", "p", "c", "x"}}, ReLU{}}},
		"sums alone": {Layers: []Layer{Conv2D{Name: "a", Filters: 3, Kernel: 3}, Conv2D{Name: "b", Filters: 3,
			Kernel: 3},
			Add{Name: "ab", Inputs: []string{"a", "b"}}, Conv2D{Name: "c", Filters: 3, Kernel: 1}, Add{Inputs: []string{"c",
				"ab"}},
			Add{Inputs: []string{"", "a"}}}},
		"frozen": {Frozen: []string{"stem", "bn", "x"}, Layers: []Layer{Conv2D{Name: "stem", Filters: 4,
			Kernel: 3, L2: 0.01}, BatchNorm{Name: "bn"}, ReLU{},
			Residual{Layers: []Layer{conv(4, 1), BatchNorm{Name: "bn2"}, ReLU{},
				Conv2D{Name: "x", Filters: 4, Kernel: 3}, BatchNorm{Inference: true}}},
			BatchNorm{NoScale: true}, ReLU{}}},
		"frozen stem": {Frozen: []string{"stem", "bn"}, Layers: []Layer{Conv2D{Name: "stem", Filters: 9,
			Kernel: 3}, BatchNorm{Name: "bn"}, ReLU{},
			AveragePool{}, Conv2D{Filters: 2, Kernel: 1}}},
		"frozen between": {Frozen: []string{"bn", "sep", "depth"}, Layers: []Layer{conv(4, 1), BatchNorm{Name: "bn"},
			SeparableConv2D{Name: "sep", Filters: 3, Kernel: 3}, DepthwiseConv2D{Name: "depth", Kernel: 3}, ReLU{}}},
		"paddings": {Layers: []Layer{ZeroPadding{Bottom: 1, Right: 1},
			Conv2D{Filters: 3, Kernel: 3, Stride: 2, Padding: Valid}, ReLU{},
			ZeroPadding{Top: 1, Left: 2}, MaxPool{}, ZeroPadding{Top: 2, Left: 1},
			DepthwiseConv2D{Kernel: 2, Padding: Valid}, BatchNorm{},
			ZeroPadding{Name: "wide", Top: 3}, Conv2D{Filters: 3, Kernel: 2}, Add{Inputs: []string{"", "wide"}}}},
		"cropped": {Layers: []Layer{Conv2D{Filters: 4, Kernel: 3}, ReLU{}, DepthwiseConv2D{Kernel: 2}, MaxPool{},
			Conv2D{Filters: 5, Kernel: 2, Padding: Valid}, silu, AveragePool{Size: 1, Stride: 2}, Conv2D{Filters: 3, Kernel: 1}}},
		"cropped beside": {Layers: []Layer{Conv2D{Name: "a", Filters: 4, Kernel: 3}, MaxPool{Name: "p", Stride: 4},
			From{"a", ReLU{Name: "r"}}, MaxPool{Name: "q", Stride: 4}, From{"r", MaxPool{Name: "s", Size: 1, Stride: 4}},
			Concatenate{Inputs: []string{"p", "q", "s"}}, Conv2D{Filters: 4, Kernel: 1}}},
		"separable": {Layers: []Layer{SeparableConv2D{Filters: 4, Kernel: 3, Multiplier: 2, Stride: 2},
			BatchNorm{NoScale: true}, silu,
			SeparableConv2D{Filters: 3, Kernel: 3, NoBias: true}, BatchNorm{NoCenter: true}, ReLU{},
			DepthwiseConv2D{Kernel: 3, KernelWidth: 1, Multiplier: 2}, BatchNorm{}, elu,
			DepthwiseConv2D{Kernel: 3, NoBias: true}, BatchNorm{NoScale: true, NoCenter: true}}},
		"norm alone": {Layers: []Layer{conv(3, 1), BatchNorm{NoScale: true, NoCenter: true}, ReLU{}, MaxPool{}}},
		"softmax and dropout": {Layers: []Layer{conv(4, 1), Softmax{}, Dropout{Rate: 0.25}, conv(3, 1),
			Dropout{Rate: 0.25, Spatial: true}, Activation{}, ReLU{}}},
	}
	networks := map[string]*Network{}
	for name, s := range all {
		s.Input, s.Classes, s.Layers = tensor.Shape{7, 6, 2}, 3, append(s.Layers, tail...)
		networks[name] = mustBuild(t, s)
	}
	networks["sigmoid"] = mustBuild(t, Sequential{Input: tensor.Shape{7, 6, 2}, Classes: 2, Output: SigmoidOutput,
		Layers: []Layer{conv(2, 1), AveragePool{}, GlobalMaxPool{}, Dense{Units: 4}, elu, Dense{Units: 1}}})
	networks["vectors"] = mustBuild(t, Sequential{Input: tensor.Shape{7, 6, 2}, Classes: 3, Layers: []Layer{Flatten{},
		Dense{Units: 5, NoBias: true}, BatchNorm{}, ReLU{}, Residual{Layers: []Layer{Dense{Units: 5}, silu}},
		Concatenate{Inputs: []string{"", "flatten"}}, Dense{Units: 3}, Residual{Layers: []Layer{Dense{Units: 3}}}}})
	networks["logits"] = mustBuild(t, Sequential{Input: tensor.Shape{7, 6, 2}, Classes: 3, Output: LogitsOutput, Layers: []Layer{
		GlobalMaxPool{KeepDims: true}, Conv2D{Filters: 3, Kernel: 1}, GlobalAveragePool{}}})
	return networks
}

// dataFor returns n images with the classes of a network.
func dataFor(net *Network, n int) *Images {
	d := tinyData(n)
	d.NumClasses = net.Classes
	for i := range d.Labels {
		d.Labels[i] = float32(i % net.Classes)
	}
	return d
}

// TestGraphs compares what a Predictor, validation and a step compute, fused and folded, with the
// layers one by one.
func TestGraphs(t *testing.T) {
	for name, net := range graphs(t) {
		t.Run(name, func(t *testing.T) {
			d, c := dataFor(net, 8), tinyConfig()
			c.Data, c.Validation, c.Schedule = d, d, Constant(0)
			for i, row := range net.Table { // masks are tested elsewhere
				if l, ok := row.Layer.(Dropout); ok {
					l.Rate = 0
					net.Table[i].Layer = l
				}
			}
			trainer := newTrainer(t, backendtest.Reference(), net, c)
			setAll(t, trainer.Model, 5)
			want := plainly(t, trainer.Model, d.Pixels, false)
			p, err := trainer.Model.NewPredictor(8)
			if err != nil {
				t.Fatal(err)
			}
			for what, p := range map[string]*Predictor{"prediction": p, "validation": trainer.predictor} {
				got, err := p.Logits(d.Pixels)
				if err != nil {
					t.Fatal(err)
				}
				if net.Output == SigmoidOutput {
					for i := range len(got) / 2 {
						if got[2*i] != 0 {
							t.Errorf("logit %v of class 0, want 0", got[2*i])
						}
						got[i] = got[2*i+1]
					}
					got = got[:len(got)/2]
				}
				near(t, what, got, want, 1e-5)
			}
			loss := 0.0
			for i, z := range slices.Collect(slices.Chunk(plainly(t, trainer.Model, d.Pixels, true), net.logits())) {
				if net.Output == SigmoidOutput {
					z = []float32{0, z[0]}
				}
				sum := 0.0
				for _, v := range z {
					sum += math.Exp(float64(v))
				}
				loss += (math.Log(sum) - float64(z[int(d.Labels[i])])) / 8
			}
			if got := stepMetrics(t, trainer, d, 8).Loss; !(math.Abs(got-loss) <= 1e-5*max(1, loss)) {
				t.Errorf("loss of a step %v, want %v", got, loss)
			}
		})
	}
}

func TestGraphJSON(t *testing.T) {
	for name, net := range graphs(t) {
		text, err := json.Marshal(net.Sequential)
		if err != nil {
			t.Fatal(err)
		}
		var got Sequential
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(net.Sequential, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	deep := strings.Repeat(`{"class":"Residual","config":{"layers":[`, 1000) + strings.Repeat(`]}}`, 1000)
	var s Sequential
	if err := json.Unmarshal([]byte(`{"layers":[`+deep+`]}`), &s); err == nil || !strings.Contains(err.Error(), "nested more than") {
		t.Errorf("1000 residuals within each other: %v", err)
	}
}

func TestGraphNames(t *testing.T) {
	net := mustBuild(t, Sequential{Input: tensor.Shape{4, 4, 2}, Classes: 2, Layers: []Layer{Conv2D{Filters: 3,
		Kernel: 1},
		Residual{Layers: []Layer{Conv2D{Filters: 3, Kernel: 3}, BatchNorm{}}}, Residual{Layers: []Layer{Conv2D{Name: "conv2d_2",
			Filters: 3, Kernel: 3}}},
		Conv2D{Filters: 2, Kernel: 1}, GlobalMaxPool{}}})
	var got []string
	for _, row := range net.Table {
		got = append(got, fmt.Sprint(row.Name, row.Inputs))
	}
	want := []string{"conv2d[-1]", "conv2d_1[0]", "batch_normalization[1]", "add[2 0]", "conv2d_2[3]",
		"add_1[4 3]", "conv2d_3[5]",
		"global_max_pooling2d[6]", "activation[7]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGraphErrors(t *testing.T) {
	head := []Layer{GlobalAveragePool{}, Dense{Units: 2}}
	conv := func(name string) Conv2D { return Conv2D{Name: name, Filters: 3, Kernel: 3} }
	for _, c := range []struct {
		name string
		s    Sequential
		want string
	}{
		{
			"unknown input",
			Sequential{Layers: []Layer{From{"b", conv("a")}}},
			`layer "a" takes the output of "b": want the name of a layer before it`,
		},
		{
			"later input",
			Sequential{Layers: []Layer{conv("a"), Add{Name: "x", Inputs: []string{"a", "b"}}, conv("b")}},
			`layer "x" takes the output of "b"`,
		},
		{
			"unused output",
			Sequential{Layers: []Layer{conv("a"), conv("b"), From{"a", conv("c")}}},
			`no layer takes the output of layer "b"`,
		},
		{"shapes of a residual", Sequential{Layers: []Layer{Residual{Layers: []Layer{Conv2D{Filters: 5, Kernel: 3}}}}},
			`layer "add", given (6, 6, 5): inputs of shapes (6, 6, 5) and (6, 6, 3): an addition needs inputs of one shape: give the Residual a Shortcut`},
		{"residual of nothing", Sequential{Layers: []Layer{Residual{}}}, "a Residual without layers"},
		{
			"one input",
			Sequential{Layers: []Layer{conv("a"), Add{Inputs: []string{"a"}}}},
			"an addition needs at least two inputs",
		},
		{"no inputs", Sequential{Layers: []Layer{Concatenate{}}}, "a concatenation needs at least two inputs"},
		{
			"many inputs",
			Sequential{Layers: []Layer{conv("a"), Add{Name: "b", Inputs: slices.Repeat([]string{"a"}, 2000)}}},
			`layer "b" has 2000 inputs`,
		},
		{
			"sizes",
			Sequential{Layers: []Layer{conv("a"), MaxPool{}, Concatenate{Inputs: []string{"a", ""}}}},
			"needs images of one size",
		},
		{"images or layer", Sequential{Layers: []Layer{conv("input"), From{"input", conv("b")}}}, "rename the layer"},
		{"nil", Sequential{Layers: []Layer{nil}}, "a layer that is nil"},
		{"from nil", Sequential{Layers: []Layer{From{"input", nil}}}, "a layer that is nil"},
		{
			"same name within",
			Sequential{Layers: []Layer{conv("a"), Residual{Layers: []Layer{conv("a")}}}},
			`two layers are named "a"`,
		},
		{
			"frozen",
			Sequential{Frozen: []string{"a", "b"}, Layers: []Layer{conv("a")}},
			`no layer and no weight "b" to freeze`,
		},
		{"output", Sequential{Output: "tanh"}, `output "tanh": want`},
		{"sigmoid", Sequential{Output: SigmoidOutput}, "gives (2,), want (1,), the logit of class 1"},
		{
			"too many weights",
			Sequential{Layers: slices.Repeat([]Layer{Conv2D{Filters: 1 << 19, Kernel: 1}}, 8)},
			"have too many weights",
		},
		{
			"window",
			Sequential{Layers: []Layer{Conv2D{Name: "c", Filters: 1, Kernel: 1 << 31, KernelWidth: 1 << 31}}},
			`layer "c"`,
		},
		{
			"function",
			Sequential{Layers: []Layer{Activation{Name: "f", Function: tensor.Function{Kind: "cube"}}}},
			`layer "f", given (6, 6, 3): unknown function "cube"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.s.Input, c.s.Classes, c.s.Layers = tensor.Shape{6, 6, 3}, 2, append(c.s.Layers, head...)
			_, err := Build(c.s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// Training keeps one tensor for each convolution with a ReLU, and one for gradients.
func TestMemoryOfReLUs(t *testing.T) {
	net := mustVGG(t, "vgg16", VGGOptions{Input: tensor.Shape{224, 224, 3}, Classes: 10})
	nodes := net.nodes(false)
	// Convolutions, pools with a ReLU each, Flatten and Dense.
	if got, want := len(nodes), 13+5+5+1+3; got != want {
		t.Errorf("%d nodes, want %d", got, want)
	}
	if sides := newFlow(nodes).sides; len(sides) != 1 || !sides[0].Equal(tensor.Shape{224, 224, 64}) {
		t.Errorf("side tensors of shapes %v, want one of (224, 224, 64)", sides)
	}
}

// A chain needs two buffers, of the largest activations at even and at odd places.
func TestBuffers(t *testing.T) {
	for name, want := range map[string]int{"vgg": 2, "residual": 3, "concatenations": 5} {
		net := graphs(t)[name]
		if name == "vgg" {
			net = mustVGG(t, "vgg16", cifarVGG())
		}
		nodes := net.nodes(true)
		of, shapes := places(net.Input, nodes)
		if len(shapes) != want {
			t.Errorf("%s: %d buffers, want %d", name, len(shapes), want)
		}
		for i, n := range nodes {
			for j := range i { // what a later node takes must not be overwritten
				needed := slices.ContainsFunc(nodes[i:], func(n node) bool { return slices.Contains(n.inputs, j) })
				if needed && of[j] == of[i+1] {
					t.Errorf("%s: node %d overwrites value %d", name, i, j)
				}
			}
			if shapes[of[i+1]].Size() < n.out.Size() {
				t.Errorf("%s: node %d in a buffer of shape %v, needs %v", name, i, shapes[of[i+1]], n.out)
			}
		}
	}
}

// With bfloat16 the graphs infer and train nearly alike. A value is rounded by up to 2⁻⁹ of itself,
// in each of up to 20 layers, which may scale it by a few times.
func TestGraphsBF16(t *testing.T) {
	for name, net := range graphs(t) {
		t.Run(name, func(t *testing.T) {
			train := func(b backend.Backend) (logits []float32, row Row) {
				c := tinyConfig()
				c.Data, c.Validation, c.Epochs, c.Schedule = dataFor(net, 30), dataFor(net, 13), 1, Constant(0.01)
				trainer := newTrainer(t, b, net, c)
				logits = predict(t, trainer.Model)
				if err := trainer.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				return logits, trainer.History[0]
			}
			b, err := cpu.Open(cpu.Options{BF16: true})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			got, row := train(b)
			want, wantRow := train(backendtest.Reference())
			near(t, "logits", got, want, 20*0x1p-9)
			if !(math.Abs(row.Loss-wantRow.Loss) <= 20*0x1p-9*max(1, wantRow.Loss)) {
				t.Errorf("loss %v, want %v", row.Loss, wantRow.Loss)
			}
		})
	}
}

// FuzzBuild builds what a file may say, and finds the nodes, the flow and the folded network. None
// of it takes memory by the sizes of layers.
func FuzzBuild(f *testing.F) {
	for _, net := range graphs(f) {
		text, err := json.Marshal(net.Sequential)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Sequential
		if json.Unmarshal(text, &s) != nil {
			return
		}
		net, err := Build(s)
		if err != nil {
			return
		}
		newFlow(net.nodes(false))
		places(net.Input, net.nodes(true))
		folded, _, _, err := net.fold()
		if err != nil {
			t.Fatal(err)
		}
		folded.nodes(true)
		if _, err := json.Marshal(net.Sequential); err != nil {
			t.Error(err)
		}
	})
}

// The probabilities of a SigmoidOutput are those of both classes.
func TestProbabilitiesOfSigmoid(t *testing.T) {
	net := graphs(t)["sigmoid"]
	m, err := NewModel(backendtest.Reference(), net)
	if err != nil {
		t.Fatal(err)
	}
	setAll(t, m, 2)
	p, err := m.NewPredictor(4)
	if err != nil {
		t.Fatal(err)
	}
	d := dataFor(net, 4)
	got, err := p.Probabilities(d.Pixels)
	if err != nil {
		t.Fatal(err)
	}
	result, err := p.Evaluate(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	var want []float32
	correct := 0.0
	for i, z := range plainly(t, m, d.Pixels, false) {
		one := 1 / (1 + math.Exp(-float64(z)))
		want = append(want, float32(1-one), float32(one))
		if (one > 0.5) == (d.Labels[i] == 1) {
			correct++
		}
	}
	near(t, "probabilities", got, want, 1e-6)
	if result.Accuracy != correct/4 {
		t.Errorf("accuracy %v, want %v", result.Accuracy, correct/4)
	}
}
