package keras

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// node2 adds a layer's name and its call, in the form of Keras 2, to its text.
func node2(name, layer string, inputs ...string) string {
	var refs []string
	for _, in := range inputs {
		refs = append(refs, fmt.Sprintf(`[%q,0,0,{}]`, in))
	}
	nodes := "[[" + strings.Join(refs, ",") + "]]"
	if inputs == nil {
		nodes = "[]"
	}
	return strings.TrimSuffix(layer, "}") + fmt.Sprintf(`,"name":%q,"inbound_nodes":%s}`, name, nodes)
}

// node3 is node2 in the form of Keras 3.
func node3(name, layer string, inputs ...string) string {
	var refs []string
	for _, in := range inputs {
		refs = append(refs, fmt.Sprintf(`{"class_name":"__keras_tensor__","config":{"shape":[null,1],"dtype":"float32","keras_history":[%q,0,0]}}`, in))
	}
	args := strings.Join(refs, ",")
	if len(refs) > 1 {
		args = "[" + args + "]"
	}
	nodes := `[{"args":[` + args + `],"kwargs":{"mask":null}}]`
	if inputs == nil {
		nodes = "[]"
	}
	return strings.TrimSuffix(layer, "}") + fmt.Sprintf(`,"name":%q,"inbound_nodes":%s}`, name, nodes)
}

func layerText(class, name, settings string) string {
	if settings != "" {
		settings = "," + settings
	}
	return fmt.Sprintf(`{"class_name":%q,"config":{"name":%q%s}}`, class, name, settings)
}

// functional returns the configuration of a Functional of these layers.
func functional(in, out string, layers ...string) string {
	return fmt.Sprintf(`{"class_name":"Functional","config":{"name":"m","layers":[%s],"input_layers":%s,"output_layers":%s}}`,
		strings.Join(layers, ","), in, out)
}

func TestReadGraph(t *testing.T) {
	conv, dense := nn.Conv2D{Name: "c", Filters: 3, Kernel: 3}, nn.Dense{Name: "d", Units: 5}
	relu := strings.Replace(convJSON, "linear", "relu", 1)
	other := strings.Replace(convJSON, `"c"`, `"c2"`, 1)
	const gap, add = `{"class_name":"GlobalAveragePooling2D","config":{"name":"g","keepdims":false}}`, `{"class_name":"Add","config":{"name":"a"}}`
	for name, node := range map[string]func(name, layer string, inputs ...string) string{"Keras 2": node2,
		"Keras 3": node3} {
		for _, c := range []struct {
			name, text string
			want       []nn.Layer
		}{
			{"a chain", functional(`[["in",0,0]]`, `[["d",0,0]]`, node("in", inputJSON),
				node("c", relu, "in"), node("g", gap, "c"), node("d", denseJSON, "g")),
				[]nn.Layer{conv, nn.ReLU{Name: "c_activation"}, nn.GlobalAveragePool{Name: "g"}, dense}},
			{"a residual", functional(`["in",0,0]`, `["d",0,0]`, node("in", inputJSON), node("c", relu, "in"),
				node("c2", other, "c"),
				node("a", add, "c", "c2"), node("g", gap, "a"), node("d", denseJSON, "g")),
				[]nn.Layer{conv, nn.ReLU{Name: "c_activation"}, nn.Conv2D{Name: "c2", Filters: 3, Kernel: 3},
					nn.Add{Name: "a", Inputs: []string{"c_activation", ""}}, nn.GlobalAveragePool{Name: "g"}, dense}},
			{"a name that is taken", functional(`["in",0,0]`, `["d",0,0]`, node("in", inputJSON), node("c", relu, "in"),
				node("c_activation", strings.Replace(convJSON, `"c"`, `"c_activation"`, 1), "c"),
				node("a", add, "c", "c_activation"), node("g", gap, "a"), node("d", denseJSON, "g")),
				[]nn.Layer{conv, nn.ReLU{Name: "c_activation_1"}, nn.Conv2D{Name: "c_activation", Filters: 3,
					Kernel: 3},
					nn.Add{Name: "a", Inputs: []string{"c_activation_1", ""}}, nn.GlobalAveragePool{Name: "g"}, dense}},
			{"two branches of the images", functional(`["in",0,0]`, `["d",0,0]`, node("in", inputJSON),
				node("c", convJSON, "in"), node("c2", other, "in"),
				node("a", `{"class_name":"Concatenate","config":{"name":"a","axis":-1}}`, "c2", "c", "in"),
				node("g", gap, "a"), node("d", denseJSON, "g")),
				[]nn.Layer{conv, nn.From{Input: "input", Layer: nn.Conv2D{Name: "c2", Filters: 3, Kernel: 3}},
					nn.Concatenate{Name: "a", Inputs: []string{"", "c", "input"}}, nn.GlobalAveragePool{Name: "g"}, dense}},
			{"in another order", functional(`["in",0,0]`, `["d",0,0]`, node("d", denseJSON, "g"),
				node("g", gap, "c"), node("c", convJSON, "in"), node("in", inputJSON)),
				[]nn.Layer{conv, nn.GlobalAveragePool{Name: "g"}, dense}},
			{"a layer named input", functional(`["in",0,0]`, `["d",0,0]`, node("in", inputJSON),
				node("input", strings.Replace(convJSON, `"c"`, `"input"`, 1), "in"), node("g", gap, "input"),
				node("d", denseJSON, "g")),
				[]nn.Layer{nn.Conv2D{Name: "input_1", Filters: 3, Kernel: 3}, nn.GlobalAveragePool{Name: "g"}, dense}},
			{"a model in a model", functional(`["in",0,0]`, `["d",0,0]`, node("in", inputJSON),
				node("m", strings.Replace(model(inputJSON, relu, gap), `"m"`, `"m"`, 1), "in"),
				node("d", denseJSON, "m")),
				[]nn.Layer{
					nn.Conv2D{Name: "m/c", Filters: 3, Kernel: 3},
					nn.ReLU{Name: "m/c_activation"},
					nn.GlobalAveragePool{Name: "m/g"},
					dense,
				}},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				got, _, err := networkOf(c.text)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got.Layers); diff != "" || !got.Input.Equal(tensor.Shape{4, 4, 2}) || got.Classes != 5 {
					t.Errorf("input %v, %d classes, layers (-want +got):\n%s", got.Input, got.Classes, diff)
				}
				if _, err := nn.Build(got); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestReadGraphRejects(t *testing.T) {
	const gap, add = `{"class_name":"GlobalAveragePooling2D","config":{"name":"g"}}`, `{"class_name":"Add","config":{"name":"a"}}`
	in, c, g, d := node2("in", inputJSON), node2("c", convJSON, "in"), node2("g", gap, "c"), node2("d", denseJSON, "g")
	one, out := `[["in",0,0]]`, `[["d",0,0]]`
	for _, x := range []struct{ name, text, want string }{
		{
			"two inputs",
			functional(`[["in",0,0],["other",0,0]]`, out, in, c, g, d),
			`the model has 2 inputs ("in", "other"), which is not supported, only one input`,
		},
		{
			"two inputs by name",
			functional(`{"a":["in",0,0],"b":["other",0,0]}`, out, in, c, g, d),
			`the model has 2 inputs (`,
		},
		{
			"two outputs",
			functional(one, `[["d",0,0],["g",0,0]]`, in, c, g, d),
			`the model has 2 outputs ("d", "g"), which is not supported, only one output`,
		},
		{
			"an input that is not listed",
			functional(one, out, in, node2("other", inputJSON), c, g, d),
			`has an input "other" besides "in"`,
		},
		{"shared", functional(one, out, in,
			strings.Replace(c, `[[["in",0,0,{}]]]`, `[[["in",0,0,{}]],[["g",0,0,{}]]]`, 1), g, d),
			`layer "c" (Conv2D) is called 2 times, so its weights are shared, which is not supported, only one call`},
		{"not called", functional(one, out, in, node2("c", convJSON), g, d), `called 0 times`},
		{
			"a second output of a layer",
			functional(one, out, in, c, strings.Replace(g, `"c",0,0`, `"c",0,1`, 1), d),
			`takes output 1 of "c"`,
		},
		{
			"no name",
			functional(one, out, in, `{"class_name":"Flatten","config":{},"inbound_nodes":[[["in",0,0]]]}`, c, g, d),
			"a layer of class Flatten has no name",
		},
		{
			"a circle",
			functional(one, out, in, node2("c", convJSON, "g"), g, d),
			`takes the output of a layer that comes after it or is not in the model`,
		},
		{"an unknown output", functional(one, `[["x",0,0]]`, in, c, g, d), `output "x" is not a layer of the model`},
		{
			"a layer that leads nowhere",
			functional(one, out, in, c, g, d, node2("x", `{"class_name":"Flatten","config":{"name":"x"}}`, "c")),
			`layer "x" does not lead to the model's output`,
		},
		{"two layers of a name", functional(one, out, in, c, c, g, d), `two layers are named "c"`},
		{
			"two inputs of a layer",
			functional(one, out, in, c, node2("g", gap, "c", "in"), d),
			`layer "g" (GlobalAveragePooling2D) takes 2 inputs, which is not supported, only one`,
		},
		{
			"in training",
			functional(one, out, in, strings.Replace(c, "{}", `{"training":true}`, 1), g, d),
			`called with training true, which is not supported, only false or null`,
		},
		{
			"another argument",
			functional(one, out, in, strings.Replace(c, "{}", `{"y":["g",0,0]}`, 1), g, d),
			`layer "c" (Conv2D): inbound_nodes: a call with y ["g",0,0] is not supported`,
		},
		{
			"no reference",
			functional(one, out, in, strings.Replace(c, `["in",0,0,{}]`, `["in"]`, 1), g, d),
			"a reference needs a layer, a call and an output",
		},
		{
			"one input of a sum",
			functional(one, out, in, c, node2("a", add, "c"), strings.Replace(g, `"c"`, `"a"`, 1), d),
			`layer "a"`,
		},
		{"images before and after they are prepared", functional(one, out, in,
			node2("r", layerText("Rescaling", "r", `"scale":0.5`), "in"), strings.Replace(c, `"in"`, `"r"`, 1),
			node2("c2", strings.Replace(convJSON, `"c"`, `"c2"`, 1), "in"), node2("a", add, "c", "c2"),
			strings.Replace(g, `"c"`, `"a"`, 1), d), "before and after a Rescaling"},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, _, err := networkOf(x.text)
			if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one with %q", err, x.want)
			}
		})
	}
}

// TestTrainingArgument reads calls with training false, which Keras 2 obeys and Keras 3 does not.
func TestTrainingArgument(t *testing.T) {
	text := functional(`[["in",0,0]]`, `[["d",0,0]]`, node2("in", inputJSON),
		strings.Replace(node2("m",
			model(inputJSON, convJSON, layerText("BatchNormalization", "b", ""),
				layerText("Dropout", "o", `"rate":0.5`), flattenJSON),
			"in"),
			`"in",0,0,{}`, `"in",1,0,{"training":false}`, 1), node2("d", denseJSON, "m"))
	for _, keras3 := range []bool{false, true} {
		m, err := readModel([]byte(text), infile.NewBudget(0))
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.network(keras3, infile.NewBudget(0))
		if err != nil {
			t.Fatal(err)
		}
		want := []nn.Layer{
			nn.Conv2D{Name: "m/c", Filters: 3, Kernel: 3},
			nn.BatchNorm{Name: "m/b", Inference: true},
			nn.Flatten{Name: "m/f"},
			nn.Dense{Name: "d", Units: 5},
		}
		if keras3 {
			want = []nn.Layer{want[0], nn.BatchNorm{Name: "m/b"}, nn.Dropout{Name: "m/o", Rate: 0.5}, want[2], want[3]}
		}
		if diff := cmp.Diff(want, c.network.Layers); diff != "" {
			t.Errorf("Keras 3 %v: layers (-want +got):\n%s", keras3, diff)
		}
	}
}

// TestReadKeras1 reads the names of classes and settings of Keras 1.2.
func TestReadKeras1(t *testing.T) {
	text := `{"class_name":"Sequential","config":[
		{"class_name":"Convolution2D","config":{"name":"c1","trainable":true,"batch_input_shape":[null,8,8,3],"input_dtype":"float32","nb_filter":4,"nb_row":3,"nb_col":5,
			"init":"glorot_uniform","activation":"linear","border_mode":"valid","subsample":[2,1],"dim_ordering":"tf","bias":false,
			"W_regularizer":{"name":"WeightRegularizer","l1":0.0,"l2":0.25},"b_regularizer":null,"activity_regularizer":null,"W_constraint":null,"b_constraint":null}},
		{"class_name":"BatchNormalization","config":{"name":"b","trainable":true,"mode":0,"axis":-1,"momentum":0.9,"epsilon":0.001,"gamma_regularizer":null,"beta_regularizer":null}},
		{"class_name":"ELU","config":{"name":"e","alpha":0.5}},
		{"class_name":"ZeroPadding2D","config":{"name":"z","padding":[1,0,2,0],"dim_ordering":"tf"}},
		{"class_name":"MaxPooling2D","config":{"name":"p","pool_size":[2,2],"strides":[2,2],"border_mode":"same","dim_ordering":"tf"}},
		{"class_name":"SpatialDropout2D","config":{"name":"s","p":0.5,"dim_ordering":"tf"}},
		{"class_name":"Flatten","config":{"name":"f","trainable":false}},
		{"class_name":"Dropout","config":{"name":"o","p":0.25}},
		{"class_name":"Dense","config":{"name":"d","trainable":false,"output_dim":5,"init":"uniform","activation":"softmax","input_dim":16,"bias":true,"W_regularizer":null}}]}`
	got, notes, err := networkOf(text)
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	want := nn.Sequential{Input: tensor.Shape{8, 8, 3}, Classes: 5, Frozen: []string{"d"}, Layers: []nn.Layer{
		nn.Conv2D{Name: "c1", Filters: 4, Kernel: 3, KernelWidth: 5, Stride: 2, StrideWidth: 1,
			Padding: nn.Valid, NoBias: true, L2: 0.25},
		nn.BatchNorm{Name: "b", Momentum: 0.9},
		nn.Activation{Name: "e", Function: tensor.Function{Kind: tensor.ELU, Alpha: 0.5}},
		nn.ZeroPadding{Name: "z", Top: 1, Left: 2}, nn.MaxPool{Name: "p", Padding: nn.Same},
		nn.Dropout{Name: "s", Rate: 0.5, Spatial: true},
		nn.Flatten{Name: "f"}, nn.Dropout{Name: "o", Rate: 0.25}, nn.Dense{Name: "d", Units: 5}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	merge := functional(`[["in",0,0]]`, `[["d",0,0]]`, node2("in", inputJSON), node2("c", convJSON, "in"),
		node2("a", layerText("Merge", "a",
			`"mode":"concat","mode_type":"raw","concat_axis":-1,"dot_axes":-1,"output_shape":null,"arguments":{}`),
			"c", "in"),
		node2("f", flattenJSON, "a"), node2("d", denseJSON, "f"))
	merge = strings.Replace(merge, "Functional", "Model", 1)
	if got, _, err = networkOf(merge); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]nn.Layer{nn.Conv2D{Name: "c", Filters: 3, Kernel: 3}, nn.Concatenate{Name: "a",
		Inputs: []string{"", "input"}},
		nn.Flatten{Name: "f"}, nn.Dense{Name: "d", Units: 5}}, got.Layers); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, _, err = networkOf(strings.Replace(merge, `"concat"`, `"mul"`, 1)); err == nil || !strings.Contains(err.Error(), `mode "mul" is not supported, only "sum" or "concat"`) {
		t.Errorf("error %v", err)
	}
}

// TestReadFunctions reads activation functions in all forms.
func TestReadFunctions(t *testing.T) {
	relu := func(alpha, limit, threshold float32) tensor.Function {
		return tensor.Function{Kind: tensor.ReLU, Alpha: alpha, Max: limit, Threshold: threshold}
	}
	activation := func(name string) string { return layerText("Activation", "x", fmt.Sprintf(`"activation":%q`, name)) }
	for _, c := range []struct {
		text   string
		keras3 bool
		want   tensor.Function
	}{
		{layerText("ReLU", "x", `"max_value":6.0,"negative_slope":0.1,"threshold":0.5`), false, relu(0.1, 6, 0.5)},
		{
			layerText("ReLU", "x", `"max_value":null,"negative_slope":{"type":"ndarray","value":0.25},"threshold":0.0`),
			false,
			relu(0.25, 0, 0),
		},
		{layerText("LeakyReLU", "x", ``), false, relu(0.3, 0, 0)},
		{layerText("LeakyReLU", "x", `"alpha":0.1`), false, relu(0.1, 0, 0)},
		{layerText("LeakyReLU", "x", `"negative_slope":0.2`), true, relu(0.2, 0, 0)},
		{activation("leaky_relu"), true, relu(0.2, 0, 0)},
		{activation("relu6"), true, relu(0, 6, 0)},
		{activation("elu"), false, tensor.Function{Kind: tensor.ELU, Alpha: 1}},
		{activation("swish"), false, tensor.Function{Kind: tensor.SiLU}},
		{activation("silu"), true, tensor.Function{Kind: tensor.SiLU}},
		{activation("gelu"), true, tensor.Function{Kind: tensor.GELU}},
		{activation("hard_sigmoid"), false, tensor.Function{Kind: tensor.HardSigmoid, Alpha: 0.2}},
		{activation("hard_sigmoid"), true, tensor.Function{Kind: tensor.HardSigmoid, Alpha: 1. / 6}},
		{activation("hard_swish"), true, tensor.Function{Kind: tensor.HardSiLU}},
		{
			layerText("Activation", "x", `"activation":{"class_name":"ELU","config":{"name":"e","alpha":0.7}}`),
			false,
			tensor.Function{Kind: tensor.ELU, Alpha: 0.7},
		},
	} {
		m, err := readModel([]byte(model(inputJSON, c.text, flattenJSON, denseJSON)), infile.NewBudget(0))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.network(c.keras3, infile.NewBudget(0))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(nn.Layer(nn.Activation{Name: "x", Function: c.want}), got.network.Layers[0]); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.text, diff)
		}
	}
}

// TestPreparation composes layers that prepare pixels.
func TestPreparation(t *testing.T) {
	rescaling := func(settings string) string { return layerText("Rescaling", "r", settings) }
	for _, c := range []struct {
		layers []string
		x      float32
		want   [2]float64 // of channels 0 and 1
	}{
		{[]string{rescaling(`"scale":0.5,"offset":-1.0`)}, 10, [2]float64{4, 4}},
		{[]string{rescaling(`"scale":[0.5,0.25],"offset":0`)}, 10, [2]float64{5, 2.5}},
		{
			[]string{
				rescaling(`"scale":0.5,"offset":-1.0`),
				layerText("RandomFlip", "f", ""),
				rescaling(`"scale":2,"offset":3`),
			},
			10,
			[2]float64{11, 11},
		},
		{
			[]string{layerText("Normalization", "n", `"axis":[-1],"mean":[1,2],"variance":[4,16],"invert":false`)},
			10,
			[2]float64{4.5, 2},
		},
		{
			[]string{layerText("Normalization", "n", `"axis":-1,"mean":1.0,"variance":4.0,"invert":true`)},
			10,
			[2]float64{21, 21},
		},
		{
			[]string{
				rescaling(`"scale":0.5`),
				layerText("Normalization", "n",
					`"axis":[3],"mean":{"class_name":"__numpy__","config":{"value":[[1,2]]}},"variance":[[[1]],[0.0]]`),
			},
			4,
			[2]float64{1, 0},
		},
	} {
		m, err := readModel([]byte(model(append(append([]string{inputJSON}, c.layers...), convJSON,
			flattenJSON, denseJSON)...)), infile.NewBudget(0))
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.network(false, infile.NewBudget(0))
		if err == nil {
			err = got.prepared(nil)
		}
		if err != nil {
			t.Errorf("%s: %v", c.layers, err)
			continue
		}
		s := got.network
		for i, want := range c.want {
			if x := (float64(c.x) - float64(s.Mean[i])) / float64(s.Std[i]); !(x >= want-1e-5 && x <= want+1e-5) || !s.Raw {
				t.Errorf("%s: channel %d of %g becomes %g, want %g", c.layers, i, c.x, x, want)
			}
		}
	}
	for text, want := range map[string]string{rescaling(`"scale":-1`): "multiplied by -1, which is not supported, only numbers above 0",
		rescaling(`"scale":"x"`): `scale "x" is not supported, only numbers`, rescaling(`"scale":[1,2,3]`): "prepared by 3 numbers, but have 2 channels"} {
		m, err := readModel([]byte(model(inputJSON, text, flattenJSON, denseJSON)), infile.NewBudget(0))
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.network(false, infile.NewBudget(0))
		if err == nil {
			err = c.prepared(nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// everything has every kind of layer of the network that files of Keras can have.
func everything() nn.Sequential {
	function := func(f tensor.Function) nn.Layer { return nn.Activation{Function: f} }
	s := nn.Sequential{Input: tensor.Shape{13, 12, 3}, Classes: 4, Mean: []float32{1, 2, 3},
		Std: []float32{2, 3, 4}, Raw: true, Frozen: []string{"stem", "b/norm"},
		Layers: []nn.Layer{
			nn.ZeroPadding{Top: 1, Right: 2},
			nn.Conv2D{Name: "stem", Filters: 6, Kernel: 3, KernelWidth: 5, Stride: 2, StrideWidth: 1,
				Padding: nn.Valid, L2: 0.25},
			nn.BatchNorm{Name: "b/norm", NoScale: true, Momentum: 0.9}, nn.ReLU{Name: "out"},
			nn.DepthwiseConv2D{Multiplier: 2, Kernel: 3, L2: 0.5}, nn.BatchNorm{NoCenter: true, Epsilon: 0.5},
			nn.SeparableConv2D{Filters: 6, Multiplier: 2, Kernel: 3, NoBias: true, L2: 0.125},
			nn.Add{Name: "sum", Inputs: []string{"", "out"}}, nn.Dropout{Rate: 0.5, Spatial: true},
			nn.BatchNorm{Inference: true},
			nn.From{Input: "sum", Layer: nn.MaxPool{Size: 3, Stride: 1, Padding: nn.Same}},
			nn.AveragePool{SizeWidth: 3, Stride: 2, StrideWidth: 1, Padding: nn.Same},
		}}
	// The normalization in inference mode is used, too.
	s.Layers[9] = nn.BatchNorm{Name: "fixed", Inference: true}
	s.Layers = append(s.Layers,
		nn.From{
			Input: "fixed",
			Layer: nn.AveragePool{SizeWidth: 3, Stride: 2, StrideWidth: 1, Padding: nn.Same, Name: "beside"},
		},
		nn.Concatenate{Name: "both", Inputs: []string{"average_pooling2d", ""}})
	for _, f := range []tensor.Function{{Kind: tensor.ReLU, Alpha: 0.5, Max: 6, Threshold: 0.25},
		{Kind: tensor.ReLU, Alpha: 0.25}, {Kind: tensor.ELU, Alpha: 1}, {Kind: tensor.ELU, Alpha: 0.5},
		{Kind: tensor.SELU}, {Kind: tensor.GELU}, {Kind: tensor.SiLU}, {Kind: tensor.Sigmoid},
		{Kind: tensor.Tanh}, {Kind: tensor.HardSigmoid, Alpha: 0.2},
		{Kind: tensor.Softplus}, {Kind: tensor.Softsign}, {Kind: tensor.Exponential}, {Kind: tensor.Mish}} {
		s.Layers = append(s.Layers, function(f))
	}
	s.Layers = append(s.Layers, nn.Softmax{}, nn.GlobalMaxPool{KeepDims: true}, nn.GlobalAveragePool{},
		nn.Dropout{Rate: 0.25}, nn.Dense{Units: 4, NoBias: true})
	return s
}

// TestWrittenConfig reads back the configurations of a network of all layers, and of other outputs.
func TestWrittenConfig(t *testing.T) {
	hard := everything()
	hard.Layers = append([]nn.Layer{
		nn.Activation{Function: tensor.Function{Kind: tensor.HardSigmoid, Alpha: 1. / 6}},
		nn.Activation{Function: tensor.Function{Kind: tensor.HardSiLU}},
	},
		nn.Flatten{}, nn.Dense{Units: 4})
	hard.Frozen = nil
	logits := everything()
	logits.Output = nn.LogitsOutput
	sigmoid := nn.Sequential{
		Input:   tensor.Shape{4, 4, 1},
		Classes: 2,
		Output:  nn.SigmoidOutput,
		Layers:  []nn.Layer{nn.Flatten{}, nn.Dense{Name: "d", Units: 1}},
		Frozen:  nil,
	}
	for name, s := range map[string]nn.Sequential{"everything": everything(), "of Keras 3": hard,
		"logits": logits, "sigmoid": sigmoid} {
		net, err := nn.Build(s)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, style := range []style{legacy, modules} {
			w, err := describe(net, style)
			if err != nil {
				t.Fatal(name, err)
			}
			text, err := json.Marshal(map[string]any{"class_name": w.class(), "config": w.configJSON(style)})
			if err != nil {
				t.Fatal(err)
			}
			m, err := readModel(text, infile.NewBudget(0))
			if err != nil {
				t.Fatal(name, err)
			}
			c, err := m.network(isKeras3(w.version, text), infile.NewBudget(0))
			if err == nil {
				err = c.prepared(nil)
			}
			if err != nil {
				t.Fatal(name, err)
			}
			got, err := nn.Build(c.network)
			if err != nil {
				t.Fatal(name, err)
			}
			if diff := cmp.Diff(bareRows(net), bareRows(got)); diff != "" || got.Output != net.Output || got.Classes != net.Classes {
				t.Errorf("%s: output %q, %d classes, rows (-want +got):\n%s", name, got.Output, got.Classes, diff)
			}
			if diff := cmp.Diff([]any{s.Mean, s.Std, s.Raw}, []any{got.Mean, got.Std, got.Raw}); diff != "" {
				t.Errorf("%s: preparation (-want +got):\n%s", name, diff)
			}
		}
	}
}

// bareRow is a row of a network's table without names.
type bareRow struct {
	Layer  nn.Layer
	Inputs []int
	Output tensor.Shape
	Frozen bool
}

func bareRows(net *nn.Network) (rows []bareRow) {
	for _, row := range net.Table {
		var l nn.Layer
		if row.Layer != nil {
			v := reflect.New(reflect.TypeOf(row.Layer)).Elem()
			v.Set(reflect.ValueOf(row.Layer))
			v.FieldByName("Name").SetString("")
			if inputs := v.FieldByName("Inputs"); inputs.IsValid() {
				inputs.SetZero()
			}
			l = v.Interface().(nn.Layer)
		}
		rows = append(rows, bareRow{l, row.Inputs, row.Output, row.Frozen})
	}
	return rows
}
