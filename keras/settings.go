package keras

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
)

// settings are a layer's settings in a file. The first error of its methods sticks.
type settings struct {
	name, class string
	keras3      bool // the file is of Keras 3, where some settings mean something else
	raw         map[string]json.RawMessage
	err         error
	notes       []string // sentences on settings that only training uses
}

// newSettings reads the settings of a layer and rejects those that would change its results.
func newSettings(o *object, path string, keras3 bool, budget *infile.Budget) (*settings, error) {
	l := &settings{name: path, class: o.Class, keras3: keras3}
	if err := budget.JSON(o.Config, &l.raw); err != nil {
		return nil, fmt.Errorf("a layer of class %s: %w", o.Class, err)
	}
	if l.upgrade(); l.err != nil {
		return nil, l.err
	}
	if o.Registered != "" && o.Registered != o.Class {
		return nil, unsupportedLayer{path, o.Registered}
	}
	if isIdentity(l.class) {
		l.notes = append(l.notes, fmt.Sprintf("layer %q (%s) is left out: only training uses it", l.name, l.class))
		return l, l.err
	}
	known, ok := supported()[l.class]
	if !ok {
		return nil, unsupportedLayer{path, o.Class}
	}
	for _, key := range slices.Sorted(maps.Keys(l.raw)) {
		text := compact(l.raw[key])
		if text == "null" {
			continue
		}
		want, ok := known[key]
		if !ok {
			want, ok = common()[key]
		}
		switch {
		case slices.Contains(trainingOnly(), key):
			l.note(key, text)
		case !ok && text != "false":
			l.reject(key, text, "")
		case ok && want != nil && !slices.Contains(want, text):
			l.reject(key, text, strings.Join(want, " or "))
		}
	}
	l.checkType()
	return l, l.err
}

// unsupportedLayer is the error for a layer of a class that is not supported.
type unsupportedLayer struct{ name, class string }

func (u unsupportedLayer) Error() string {
	remedy := "use the layers that docs/keras.md lists"
	if u.class == "Lambda" || strings.Contains(u.class, ">") {
		remedy = "the file does not have its code: use the layers that docs/keras.md lists"
	}
	return fmt.Sprintf("layer %q is a %s, which is not supported: %s", u.name, u.class, remedy)
}

// trainingOnly lists settings that do not change what a layer gives in inference.
func trainingOnly() []string {
	return []string{"activity_regularizer", "bias_regularizer", "beta_regularizer", "gamma_regularizer",
		"kernel_constraint", "bias_constraint", "beta_constraint", "gamma_constraint", "depthwise_constraint",
		"pointwise_constraint", "noise_shape", "synchronized"}
}

// isIdentity reports whether layers of a class do nothing in inference, and this program does not
// have them: noise, and augmentation.
func isIdentity(class string) bool {
	switch class {
	case "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization",
		"RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness",
		"RandomHeight", "RandomWidth", "RandomHue", "RandomSaturation", "RandomSharpness", "RandomShear",
		"RandomGrayscale", "RandomColorJitter", "RandomColorDegeneration", "RandomPosterization", "RandomErasing",
		"RandomPerspective", "RandomGaussianBlur", "RandomInvert", "RandomElasticTransform",
		"RandAugment", "AugMix", "CutMix", "MixUp":
		return true
	}
	return false
}

// note records that a setting is ignored, since only training uses it.
func (l *settings) note(key, value string) {
	if value != "false" {
		l.notes = append(l.notes,
			fmt.Sprintf("layer %q (%s): %s %s is ignored: only training uses it", l.name, l.class, key, value))
	}
}

// values lists the supported values of a setting as JSON; nil means that any is read or ignored.
type values = []string

// none is for settings that must be absent, null or false.
func none() values { return values{"false"} }

// supported lists the settings of each class of layer.
func supported() map[string]map[string]values {
	last := values{`"channels_last"`}
	one := values{"[1,1]", "1"}
	window := map[string]values{"strides": nil, "padding": nil, "data_format": last}
	pool := merged(window, map[string]values{"pool_size": nil})
	global := map[string]values{"data_format": last, "keepdims": nil}
	weights := map[string]values{"activation": nil, "use_bias": nil, "kernel_regularizer": nil,
		"kernel_initializer": nil, "bias_initializer": nil}
	conv := merged(window, weights, map[string]values{"kernel_size": nil, "dilation_rate": one, "groups": {"1"}})
	depthwise := merged(conv, map[string]values{"depth_multiplier": nil, "depthwise_initializer": nil, "depthwise_regularizer": nil})
	return map[string]map[string]values{
		"InputLayer":      {"sparse": none(), "ragged": none(), "optional": none()},
		"Conv2D":          merged(conv, map[string]values{"filters": nil}),
		"DepthwiseConv2D": depthwise,
		"SeparableConv2D": merged(depthwise, map[string]values{"filters": nil, "pointwise_initializer": nil, "pointwise_regularizer": nil}),
		"Dense":           merged(weights, map[string]values{"units": nil}),
		"BatchNormalization": {"axis": nil, "momentum": nil, "epsilon": nil, "center": nil, "scale": nil, "renorm_momentum": nil,
			"beta_initializer": nil, "gamma_initializer": nil, "moving_mean_initializer": nil,
			"moving_variance_initializer": nil, "mode": {"0"}},
		"MaxPooling2D":           pool,
		"AveragePooling2D":       pool,
		"GlobalAveragePooling2D": global,
		"GlobalMaxPooling2D":     global,
		"ZeroPadding2D":          {"padding": nil, "data_format": last},
		"Flatten":                {"data_format": last},
		"Dropout":                {"rate": nil, "seed": nil},
		"SpatialDropout2D":       {"rate": nil, "seed": nil, "data_format": last},
		"Activation":             {"activation": nil},
		"ReLU":                   {"max_value": nil, "negative_slope": nil, "threshold": nil},
		"LeakyReLU":              {"alpha": nil, "negative_slope": nil},
		"ELU":                    {"alpha": nil},
		"Softmax":                {"axis": nil},
		"Add":                    {},
		"Concatenate":            {"axis": nil},
		"Rescaling":              {"scale": nil, "offset": nil},
		"Normalization":          {"axis": nil, "mean": nil, "variance": nil, "invert": nil},
	}
}

// merged returns the union of lists of settings.
func merged(all ...map[string]values) map[string]values {
	union := map[string]values{}
	for _, m := range all {
		maps.Copy(union, m)
	}
	return union
}

// common lists the settings of all classes of layers.
func common() map[string]values {
	return map[string]values{"name": nil, "trainable": nil, "dtype": nil, "batch_input_shape": nil, "batch_shape": nil}
}

// inLine returns a word of a file as it is, or as a Go string where it has characters that would
// break a message into lines.
func inLine(word string) string {
	if q := strconv.Quote(word); q != `"`+word+`"` {
		return q
	}
	return word
}

// reject records that the value of a setting is not supported.
func (l *settings) reject(key, value, want string) {
	if l.err != nil {
		return
	}
	l.err = fmt.Errorf("layer %q (%s): %s %s is not supported", l.name, l.class, inLine(key), value)
	if want != "" {
		l.err = fmt.Errorf("%w, only %s", l.err, want)
	}
}

// checkType rejects a layer of another type. Here the program's precision decides, and weights are
// float32.
func (l *settings) checkType() {
	raw := l.raw["dtype"]
	var policy struct{ Config struct{ Name string } } // in Keras 3
	name := ""
	if json.Unmarshal(raw, &policy) == nil {
		name = policy.Config.Name
	} else {
		l.decode("dtype", &name)
	}
	switch name {
	case "", "float32", "mixed_float16", "mixed_bfloat16":
	default:
		l.reject("dtype", name, "float32, mixed_float16 and mixed_bfloat16")
	}
}

func (l *settings) has(key string) bool {
	raw := l.raw[key]
	return raw != nil && compact(raw) != "null"
}

// decode reads a setting into v. An absent or null setting leaves v unchanged.
func (l *settings) decode(key string, v any) {
	if l.err != nil || !l.has(key) {
		return
	}
	if err := json.Unmarshal(l.raw[key], v); err != nil {
		l.reject(key, compact(l.raw[key]), "")
	}
}

func (l *settings) text(key string) (s string) {
	l.decode(key, &s)
	return s
}

func (l *settings) integer(key string) (n int) {
	l.decode(key, &n)
	return n
}

// flag returns a setting that is true or false.
func (l *settings) flag(key string, standard bool) bool {
	l.decode(key, &standard)
	return standard
}

// float returns a number, which older versions of Keras write as an array of no dimensions.
func (l *settings) float(key string, standard float32) float32 {
	if starts(l.raw[key], '{') {
		array := struct{ Value *float32 }{&standard}
		l.decode(key, &array)
		return standard
	}
	l.decode(key, &standard)
	return standard
}

// pair returns the two numbers of a setting, such as a height and a width. One number stands for
// both.
func (l *settings) pair(key string, standard [2]int) [2]int {
	if starts(l.raw[key], '[') {
		list := standard[:0:0]
		l.decode(key, &list)
		if len(list) != 2 {
			l.reject(key, compact(l.raw[key]), "one number or two")
			return standard
		}
		return [2]int(list)
	}
	if n := 0; l.has(key) {
		l.decode(key, &n)
		return [2]int{n, n}
	}
	return standard
}

// extents is pair for sizes and strides. Package nn reads 0 as its default.
func (l *settings) extents(key string, standard [2]int) [2]int {
	pair := l.pair(key, standard)
	if l.has(key) && min(pair[0], pair[1]) < 1 {
		l.reject(key, compact(l.raw[key]), "numbers of at least 1")
	}
	return pair
}

// axis rejects another axis than the last of a vector or of an image.
func (l *settings) axis(vector bool) {
	axes := values{"-1", "[-1]", "3", "[3]"}
	if vector {
		axes = values{"-1", "[-1]", "1", "[1]"}
	}
	if text := compact(l.raw["axis"]); l.has("axis") && !slices.Contains(axes, text) {
		l.reject("axis", text, "the last one, the channels")
	}
}

// regularizer is a penalty in the forms of Keras 1 to 3.
type regularizer struct {
	Class  string `json:"class_name"`
	Config struct {
		L1 float32 `json:"l1"`
		L2 float32 `json:"l2"`
	} `json:"config"`
	Name string  `json:"name"` // in Keras 1
	L1   float32 `json:"l1"`
	L2   float32 `json:"l2"`
}

// l2 returns the λ of an L2 regularizer, or 0. It notes any other regularizer.
func (l *settings) l2(key string) float32 {
	if !l.has(key) {
		return 0
	}
	var o regularizer
	err := json.Unmarshal(l.raw[key], &o)
	plain := o.Class == "L2" || o.Class == "L1L2" && o.Config.L1 == 0 || o.Class == "" && o.Name != "" && o.L1 == 0
	if lambda := o.Config.L2 + o.L2; err == nil && plain && lambda >= 0 && lambda < 1 {
		return lambda
	}
	l.note(key, compact(l.raw[key]))
	return 0
}

// upgrade renames the class and the settings of Keras 1 to those of Keras 2.
func (l *settings) upgrade() {
	merge := l.class == "Merge"
	switch l.class {
	case "Convolution2D":
		l.class = "Conv2D"
	case "SeparableConvolution2D":
		l.class = "SeparableConv2D"
	case "Merge":
		switch mode := l.text("mode"); mode {
		case "sum":
			l.class = "Add"
		case "concat":
			l.class = "Concatenate"
			l.raw["axis"] = l.raw["concat_axis"]
		default:
			l.reject("mode", fmt.Sprintf("%q", mode), `"sum" or "concat"`)
		}
	}
	for _, key := range []string{"input_dtype", "init", "depthwise_init", "pointwise_init", "gamma_init", "beta_init", "input_dim", "input_length"} {
		delete(l.raw, key)
	}
	if merge {
		for _, key := range []string{"mode", "mode_type", "concat_axis", "dot_axes", "output_mask", "output_mask_type",
			"output_shape", "output_shape_type", "arguments"} {
			delete(l.raw, key)
		}
	}
	if rows, columns := l.raw["nb_row"], l.raw["nb_col"]; rows != nil && columns != nil {
		l.raw["kernel_size"] = slices.Concat(json.RawMessage("["), rows, json.RawMessage(","), columns, json.RawMessage("]"))
		delete(l.raw, "nb_row")
		delete(l.raw, "nb_col")
	}
	if formats := map[string]string{`"tf"`: `"channels_last"`, `"th"`: `"channels_first"`}; l.has("dim_ordering") {
		ordering := compact(l.raw["dim_ordering"])
		l.raw["data_format"] = json.RawMessage(cmp.Or(formats[ordering], ordering))
		delete(l.raw, "dim_ordering")
	}
	for from, to := range map[string]string{"nb_filter": "filters", "output_dim": "units", "subsample": "strides",
		"border_mode": "padding", "bias": "use_bias", "p": "rate", "W_regularizer": "kernel_regularizer",
		"b_regularizer": "bias_regularizer", "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint"} {
		if l.raw[from] != nil && l.raw[to] == nil {
			l.raw[to] = l.raw[from]
			delete(l.raw, from)
		}
	}
}
