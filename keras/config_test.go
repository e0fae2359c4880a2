package keras

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// The layers of a small network, in forms that Keras writes.
const (
	inputJSON   = `{"class_name":"InputLayer","config":{"batch_input_shape":[null,4,4,2],"dtype":"float32","sparse":false,"name":"in"}}`
	convJSON    = `{"class_name":"Conv2D","config":{"name":"c","filters":3,"kernel_size":[3,3],"padding":"same","activation":"linear","use_bias":true}}`
	flattenJSON = `{"class_name":"Flatten","config":{"name":"f","data_format":"channels_last"}}`
	denseJSON   = `{"class_name":"Dense","config":{"name":"d","units":5,"activation":"softmax"}}`
)

// model returns the configuration of a model of these layers.
func model(layers ...string) string {
	return fmt.Sprintf(`{"class_name":"Sequential","config":{"name":"m","layers":[%s]}}`, strings.Join(layers, ","))
}

// networkOf converts a configuration with the budget of an empty file.
func networkOf(text string) (s nn.Sequential, notes []string, err error) {
	budget := infile.NewBudget(0)
	m, err := readModel([]byte(text), budget)
	if err != nil {
		return s, nil, err
	}
	c, err := m.network(false, budget)
	if err != nil {
		return s, nil, err
	}
	return c.network, c.notes, nil
}

func TestReadNetwork(t *testing.T) {
	conv, dense := nn.Conv2D{Name: "c", Filters: 3, Kernel: 3}, nn.Dense{Name: "d", Units: 5}
	for _, c := range []struct {
		name, text string
		want       []nn.Layer
	}{
		{"plain", model(inputJSON, convJSON, flattenJSON, denseJSON), []nn.Layer{conv, nn.Flatten{Name: "f"}, dense}},
		{"a list, as before Keras 2.2.3", fmt.Sprintf(`{"class_name":"Sequential","config": [%s,%s,%s,%s]}`,
			inputJSON, convJSON, flattenJSON, denseJSON),
			[]nn.Layer{conv, nn.Flatten{Name: "f"}, dense}},
		{"ReLU in a layer", model(inputJSON, strings.Replace(convJSON, "linear", "relu", 1), flattenJSON, denseJSON),
			[]nn.Layer{conv, nn.ReLU{Name: "c_activation"}, nn.Flatten{Name: "f"}, dense}},
		{"ReLU of its own", model(inputJSON, convJSON,
			`{"class_name":"ReLU","config":{"name":"r","max_value":null,"negative_slope":0.0,"threshold":0.0}}`,
			flattenJSON, denseJSON),
			[]nn.Layer{conv, nn.ReLU{Name: "r"}, nn.Flatten{Name: "f"}, dense}},
		{"softmax of its own", model(inputJSON, convJSON, flattenJSON,
			strings.Replace(denseJSON, "softmax", "linear", 1),
			`{"class_name":"Activation","config":{"name":"a","activation":"softmax"}}`),
			[]nn.Layer{conv, nn.Flatten{Name: "f"}, dense}},
		{"input in the first layer", model(strings.Replace(convJSON, `{"name"`,
			`{"batch_input_shape":[32,4,4,2],"name"`, 1),
			flattenJSON, denseJSON),
			[]nn.Layer{conv, nn.Flatten{Name: "f"}, dense}},
		{"input at the end", strings.TrimSuffix(model(convJSON, flattenJSON, denseJSON), "}}") + `,"build_input_shape":[null,4,4,2]}}`,
			[]nn.Layer{conv, nn.Flatten{Name: "f"}, dense}},
		{"1x1, which needs no padding", model(inputJSON,
			strings.NewReplacer("[3,3]", "[1,1]", "same", "valid").Replace(convJSON), flattenJSON, denseJSON),
			[]nn.Layer{nn.Conv2D{Name: "c", Filters: 3, Kernel: 1}, nn.Flatten{Name: "f"}, dense}},
		{"penalties", model(inputJSON,
			with(convJSON, `"kernel_regularizer":{"class_name":"L1L2","config":{"l1":0.0,"l2":0.25}}`),
			flattenJSON,
			with(denseJSON, `"kernel_regularizer":{"module":"keras.regularizers","class_name":"L2","config":{"l2":0.5}}`)),
			[]nn.Layer{
				nn.Conv2D{Name: "c", Filters: 3, Kernel: 3, L2: 0.25},
				nn.Flatten{Name: "f"},
				nn.Dense{Name: "d", Units: 5, L2: 0.5},
			}},
		{"normalization", model(inputJSON, convJSON,
			`{"class_name":"BatchNormalization","config":{"name":"b","axis":[3],"momentum":0.9,"epsilon":0.001,"renorm":false,"center":true}}`,
			flattenJSON, `{"class_name":"BatchNormalization","config":{"name":"b1","axis":[1],"momentum":0.99,"epsilon":0.01}}`,
			`{"class_name":"Dropout","config":{"name":"o","rate":0.5,"seed":7,"noise_shape":null}}`,
			denseJSON),
			[]nn.Layer{
				conv,
				nn.BatchNorm{Name: "b", Momentum: 0.9},
				nn.Flatten{Name: "f"},
				nn.BatchNorm{Name: "b1", Epsilon: 0.01},
				nn.Dropout{Name: "o", Rate: 0.5},
				dense,
			}},
		{"dropout of images", model(inputJSON,
			`{"class_name":"Dropout","config":{"name":"o","rate":0.5,"seed":null,"noise_shape":null}}`, convJSON,
			flattenJSON, denseJSON),
			[]nn.Layer{nn.Dropout{Name: "o", Rate: 0.5}, conv, nn.Flatten{Name: "f"}, dense}},
		{"a pool", model(inputJSON,
			`{"class_name":"MaxPooling2D","config":{"name":"p","pool_size":[2,2],"strides":null,"padding":"valid"}}`,
			flattenJSON, denseJSON),
			[]nn.Layer{nn.MaxPool{Name: "p"}, nn.Flatten{Name: "f"}, dense}},
		{"no Dense", model(inputJSON, `{"class_name":"MaxPooling2D","config":{}}`, convJSON, flattenJSON,
			`{"class_name":"Activation","config":{"activation":"softmax"}}`),
			[]nn.Layer{nn.MaxPool{}, conv, nn.Flatten{Name: "f"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, notes, err := networkOf(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if len(notes) > 0 {
				t.Errorf("notes %q", notes)
			}
			if diff := cmp.Diff(c.want, got.Layers); diff != "" || !got.Input.Equal(tensor.Shape{4, 4, 2}) {
				t.Errorf("input %v, layers (-want +got):\n%s", got.Input, diff)
			}
			if _, err := nn.Build(got); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTrainingOnly reads settings and layers that do not change inference: each leaves a note and
// the same network as without it.
func TestTrainingOnly(t *testing.T) {
	const batchNormJSON = `{"class_name":"BatchNormalization","config":{"name":"b","axis":[3]}}`
	const dropoutJSON = `{"class_name":"Dropout","config":{"name":"o","rate":0.5}}`
	plain := []string{inputJSON, convJSON, batchNormJSON, flattenJSON, dropoutJSON, denseJSON}
	want, _, err := networkOf(model(plain...))
	if err != nil {
		t.Fatal(err)
	}
	check := func(text, note string) {
		t.Helper()
		got, notes, err := networkOf(text)
		if err != nil {
			t.Errorf("%s: %v", note, err)
			return
		}
		if diff := cmp.Diff(want.Layers, got.Layers); diff != "" {
			t.Errorf("%s: layers (-want +got):\n%s", note, diff)
		}
		if len(notes) != 1 || !strings.Contains(notes[0], note) || !strings.Contains(notes[0], "only training uses it") {
			t.Errorf("notes %q, want one with %q", notes, note)
		}
	}
	const l1, l2, maxNorm = `{"class_name":"L1L2","config":{"l1":0.1,"l2":0.1}}`, `{"class_name":"L2","config":{"l2":0.1}}`,
		`{"class_name":"MaxNorm","config":{"max_value":2,"axis":0}}`
	for i, settings := range map[int][]string{
		1: {`"kernel_regularizer":` + l1, `"kernel_regularizer":{"class_name":"L1","config":{"l1":0.1}}`,
			`"kernel_regularizer":{"class_name":"Mine>Penalty","config":{"a":[1]}}`, `"kernel_regularizer":"l1"`,
			`"kernel_regularizer":{"class_name":"L2","config":{"l2":1.5}}`, `"bias_regularizer":` + l2,
			`"activity_regularizer":` + l2, `"kernel_constraint":` + maxNorm,
			`"bias_constraint":{"class_name":"NonNeg","config":{}}`},
		2: {
			`"beta_regularizer":` + l2,
			`"gamma_regularizer":` + l1,
			`"beta_constraint":` + maxNorm,
			`"gamma_constraint":` + maxNorm,
			`"synchronized":true`,
		},
		4: {`"noise_shape":[null,1]`},
		5: {
			`"kernel_regularizer":` + l1,
			`"bias_regularizer":` + l1,
			`"activity_regularizer":` + l1,
			`"kernel_constraint":` + maxNorm,
		},
	} {
		for _, setting := range settings {
			layers := slices.Clone(plain)
			layers[i] = with(layers[i], setting)
			key, _, _ := strings.Cut(setting, ":")
			check(model(layers...), strings.Trim(key, `"`)+" ")
		}
	}
	for _, layer := range []string{`"GaussianNoise","config":{"name":"n","stddev":0.1}`, `"GaussianDropout","config":{"name":"n","rate":0.1}`,
		`"AlphaDropout","config":{"name":"n","rate":0.1}`, `"RandomFlip","config":{"name":"n","mode":"horizontal","seed":null}`,
		`"RandomRotation","config":{"name":"n","factor":[-0.1,0.1],"fill_mode":"reflect"}`,
		`"ActivityRegularization","config":{"name":"n","l1":0.1,"l2":0.0}`} {
		for _, at := range []int{1, 2, 3, len(plain)} {
			check(model(slices.Insert(slices.Clone(plain), at, `{"class_name":`+layer+`}`)...), `layer "n" (`)
		}
	}
}

// with adds a setting to the last layer of a text.
func with(layer, setting string) string {
	if !json.Valid([]byte("{" + setting + "}")) {
		panic(setting)
	}
	return strings.TrimSuffix(layer, "}}") + "," + setting + "}}"
}

func TestReadNetworkRejects(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       string
	}{
		{"not JSON", `{"class_name"`, "configuration"},
		{
			"a class of one's own",
			`{"class_name":"Mine","config":{}}`,
			`class "Mine", which is not supported, only Sequential and Functional`,
		},
		{
			"a registered class of one's own",
			`{"class_name":"Functional","registered_name":"Mine>Net","config":{}}`,
			`class "Mine>Net"`,
		},
		{
			"a word for layers",
			`{"class_name":"Sequential","config":{"layers":"none"}}`,
			`configuration: "layers" is a JSON string`,
		},
		{"a list for a layer", `{"class_name":"Sequential","config":[[]]}`, `configuration: it is a JSON array`},
		{
			"a number for settings",
			`{"class_name":"Sequential","config":[{"class_name":"Flatten","config":7}]}`,
			"class Flatten: it is a JSON number",
		},
		{"nothing", `null`, `class "", which is not supported, only Sequential`},
		{
			"another layer",
			model(inputJSON, `{"class_name":"GRU","config":{"name":"s"}}`),
			`layer "s" is a GRU, which is not supported: use the layers that docs/keras.md lists`,
		},
		{
			"a class of two lines",
			model(inputJSON, `{"class_name":"G\nRU","config":{"name":"s"}}`),
			`layer "s" is a "G\nRU", which is not supported`,
		},
		{
			"a setting of two lines",
			model(inputJSON, with(convJSON, `"a\nb":1`)),
			`layer "c" (Conv2D): "a\nb" 1 is not supported`,
		},
		{
			"code",
			model(inputJSON, `{"class_name":"Lambda","config":{"name":"s"}}`),
			`layer "s" is a Lambda, which is not supported: the file does not have its code`,
		},
		{
			"several layers",
			model(inputJSON, with(convJSON, `"dilation_rate":[2,2]`),
				`{"class_name":"Multiply","config":{"name":"m"}}`),
			`"c" (Conv2D): dilation_rate [2,2] is not supported, only [1,1] or 1; layer "m" is a Multiply`,
		},
		{
			"many layers",
			model(inputJSON, strings.Repeat(`{"class_name":"Multiply","config":{"name":"m"}},`, 6)+`{"class_name":"Multiply","config":{}}`),
			`; and 2 more layers`,
		},
		{
			"a layer of one's own",
			model(inputJSON, `{"class_name":"Dense","registered_name":"Mine>Dense","config":{"name":"s"}}`),
			`layer "s" is a Mine>Dense`,
		},
		{
			"padding",
			model(inputJSON, strings.Replace(convJSON, "same", "causal", 1)),
			`layer "c" (Conv2D): padding "causal" is not supported, only "same" or "valid"`,
		},
		{
			"no size",
			model(inputJSON, strings.Replace(convJSON, `"kernel_size":[3,3],`, "", 1), flattenJSON, denseJSON),
			`layer "c", given (4, 4, 2): window of 0x0`,
		},
		{
			"three sizes",
			model(inputJSON, strings.Replace(convJSON, "[3,3]", "[3,3,3]", 1)),
			`layer "c" (Conv2D): kernel_size [3,3,3] is not supported, only one number or two`,
		},
		{
			"size 0",
			model(inputJSON, `{"class_name":"MaxPooling2D","config":{"name":"p","pool_size":[0,0]}}`),
			`layer "p" (MaxPooling2D): pool_size [0,0] is not supported, only numbers of at least 1`,
		},
		{
			"stride 0",
			model(inputJSON, with(convJSON, `"strides":[1,0]`)),
			`layer "c" (Conv2D): strides [1,0] is not supported, only numbers of at least 1`,
		},
		{
			"multiplier 0",
			model(inputJSON, `{"class_name":"DepthwiseConv2D","config":{"name":"p","kernel_size":3,"depth_multiplier":0}}`),
			`depth_multiplier 0 is not supported, only numbers of at least 1`,
		},
		{
			"larger than the image",
			model(inputJSON, strings.NewReplacer("[3,3]", "[5,5]", "same", "valid").Replace(convJSON),
				flattenJSON, denseJSON),
			`layer "c", given (4, 4, 2)`,
		},
		{"dilation", model(inputJSON, with(convJSON, `"dilation_rate":[2,2]`)), `dilation_rate [2,2]`},
		{"groups", model(inputJSON, with(convJSON, `"groups":2`)), `groups 2`},
		{
			"channels first",
			model(inputJSON, with(convJSON, `"data_format":"channels_first"`)),
			`data_format "channels_first"`,
		},
		{
			"channels first in Keras 1",
			model(inputJSON, with(convJSON, `"dim_ordering":"th"`)),
			`data_format "channels_first"`,
		},
		{
			"activation",
			model(inputJSON, strings.Replace(convJSON, "linear", "log_softmax", 1)),
			`activation "log_softmax" is not supported, only linear, relu`,
		},
		{
			"an activation of one's own",
			model(inputJSON, with(convJSON, `"activation":{"class_name":"function","config":"mine"}`)),
			`activation {"class_name":"function","config":"mine"} is not supported, only a name of Keras`,
		},
		{
			"axis",
			model(inputJSON, `{"class_name":"BatchNormalization","config":{"name":"b","axis":[1]}}`),
			`layer "b" (BatchNormalization): axis [1]`,
		},
		{
			"axis of a vector",
			model(inputJSON, flattenJSON, `{"class_name":"BatchNormalization","config":{"name":"b","axis":3}}`),
			`axis 3`,
		},
		{
			"axis of a softmax",
			model(inputJSON, `{"class_name":"Softmax","config":{"name":"s","axis":1}}`),
			`layer "s" (Softmax): axis 1`,
		},
		{
			"renorm",
			model(inputJSON, `{"class_name":"BatchNormalization","config":{"name":"b","renorm":true}}`),
			`renorm true`,
		},
		{
			"no momentum",
			model(inputJSON, `{"class_name":"BatchNormalization","config":{"name":"b","momentum":0.0}}`),
			`momentum 0`,
		},
		{"maximum", model(inputJSON, `{"class_name":"ReLU","config":{"name":"r","max_value":0.0}}`), `max_value 0`},
		{
			"padding of three sides",
			model(inputJSON, `{"class_name":"ZeroPadding2D","config":{"name":"z","padding":[[1,1],[1]]}}`),
			`layer "z" (ZeroPadding2D): padding [[1,1],[1]] is not supported, only [[top,bottom],[left,right]]`,
		},
		{
			"padding of uneven sides",
			model(inputJSON, `{"class_name":"ZeroPadding2D","config":{"name":"z","padding":[[1],[1,1,1]]}}`),
			`padding [[1],[1,1,1]] is not supported`,
		},
		{"type", model(inputJSON, with(convJSON, `"dtype":"float64"`)), `dtype float64`},
		{
			"type of Keras 3",
			model(inputJSON, with(convJSON, `"dtype":{"class_name":"DTypePolicy","config":{"name":"bfloat16"}}`)),
			`dtype bfloat16`,
		},
		{"filters", model(inputJSON, strings.Replace(convJSON, `"filters":3`, `"filters":3.5`, 1)), `filters 3.5`},
		{"no input", model(convJSON, flattenJSON, denseJSON), "does not state the shape of its input"},
		{
			"input of any size",
			model(strings.Replace(inputJSON, "4,4", "null,null", 1)),
			`layer "in": batch_input_shape: images of any size`,
		},
		{"input of a vector", model(strings.Replace(inputJSON, "4,4,2", "7", 1)), "2 dimensions"},
		{"input in the middle", model(convJSON, inputJSON), `layer "in" is an InputLayer after`},
		{
			"images at the end",
			model(inputJSON, convJSON),
			`output is of shape (4, 4, 3), which is not supported, only a number for each class: add a GlobalAveragePooling2D or a Flatten`,
		},
		{
			"a sigmoid for each of several classes",
			model(inputJSON, flattenJSON, strings.Replace(denseJSON, "softmax", "sigmoid", 1)),
			`sigmoid of 5 outputs`,
		},
		{
			"late preparation",
			model(inputJSON, convJSON, `{"class_name":"Rescaling","config":{"name":"r","scale":0.5}}`),
			`layer "r" (Rescaling) follows other layers, which is not supported: it must come before all others`,
		},
		{
			"preparation of one axis",
			model(inputJSON, `{"class_name":"Normalization","config":{"name":"r","axis":[1]}}`),
			`layer "r" (Normalization): axis [1]`,
		},
		{"no layers", model(inputJSON), "no layers"},
		{"a layer without settings", model(inputJSON, `{"class_name":"Flatten"}`), "Flatten"},
		{
			"a model of one's own in a model",
			model(inputJSON, `{"class_name":"Functional","registered_name":"Mine>Net","config":{"name":"m"}}`),
			`layer "m" is a Mine>Net`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := networkOf(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestSnakeCase(t *testing.T) {
	for class, want := range map[string]string{"Conv2D": "conv2d", "MaxPooling2D": "max_pooling2d",
		"BatchNormalization": "batch_normalization",
		"ReLU":               "re_lu", "InputLayer": "input_layer", "Conv2DTranspose": "conv2d_transpose",
		"LSTM":    "lstm",
		"GRUCell": "gru_cell", "": ""} {
		if got := snakeCase(class); got != want {
			t.Errorf("%s: %s, want %s", class, got, want)
		}
	}
}
