package keras

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
)

// settings are a layer's settings in a file. The first error of its methods sticks.
type settings struct {
	name, class string
	raw         map[string]json.RawMessage
	err         error
	notes       []string // sentences on settings that only training uses
}

// newSettings reads the settings of a layer and rejects those that would change its results.
func newSettings(o *object, budget *infile.Budget) (*settings, error) {
	l := &settings{class: o.Class}
	if err := budget.JSON(o.Config, &l.raw); err != nil {
		return nil, fmt.Errorf("a layer of class %s: %w", o.Class, err)
	}
	l.name = l.text("name")
	if slices.Contains(identities(), o.Class) && (o.Registered == "" || o.Registered == o.Class) {
		l.notes = append(l.notes, fmt.Sprintf("layer %q (%s) is left out: only training uses it", l.name, l.class))
		return l, l.err
	}
	known, ok := supported()[o.Class]
	if !ok || o.Registered != "" && o.Registered != o.Class {
		return nil, fmt.Errorf("layer %q is a %s, which is not supported", l.name, cmp.Or(o.Registered, o.Class))
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

// trainingOnly lists settings that do not change what a layer gives in inference.
func trainingOnly() []string {
	return []string{"activity_regularizer", "bias_regularizer", "beta_regularizer", "gamma_regularizer",
		"kernel_constraint", "bias_constraint", "beta_constraint", "gamma_constraint", "noise_shape", "synchronized"}
}

// identities lists layers that do nothing in inference and that this program does not have.
func identities() []string {
	return []string{"GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout2D", "ActivityRegularization"}
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
	pair := func(n int) values { return values{fmt.Sprintf("[%d,%d]", n, n), fmt.Sprint(n)} }
	last := values{`"channels_last"`}
	yes := values{"true"}
	return map[string]map[string]values{
		"InputLayer": {"sparse": none(), "ragged": none(), "optional": none()},
		"Conv2D": {"filters": nil, "kernel_size": nil, "strides": pair(1), "padding": nil, "data_format": last,
			"dilation_rate": pair(1), "groups": {"1"}, "activation": nil, "use_bias": yes, "kernel_regularizer": nil,
			"kernel_initializer": nil, "bias_initializer": nil},
		"Dense": {"units": nil, "activation": nil, "use_bias": yes, "kernel_regularizer": nil,
			"kernel_initializer": nil, "bias_initializer": nil},
		"BatchNormalization": {"axis": nil, "momentum": nil, "epsilon": nil, "center": yes, "scale": yes, "renorm_momentum": nil,
			"beta_initializer": nil, "gamma_initializer": nil,
			"moving_mean_initializer": nil, "moving_variance_initializer": nil},
		"MaxPooling2D": {"pool_size": pair(2), "strides": pair(2), "padding": {`"valid"`}, "data_format": last},
		"Flatten":      {"data_format": last},
		"Dropout":      {"rate": nil, "seed": nil},
		"ReLU":         {"negative_slope": {"0.0", "0"}, "threshold": {"0.0", "0"}},
		"Activation":   {"activation": nil},
	}
}

// common lists the settings of all classes of layers.
func common() map[string]values {
	return map[string]values{"name": nil, "trainable": nil, "dtype": nil, "batch_input_shape": nil, "batch_shape": nil}
}

// reject records that the value of a setting is not supported.
func (l *settings) reject(key, value, want string) {
	if l.err != nil {
		return
	}
	l.err = fmt.Errorf("layer %q (%s): %s %s is not supported", l.name, l.class, key, value)
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

func (l *settings) float(key string) (x float32) {
	l.decode(key, &x)
	return x
}

func (l *settings) conv() nn.Conv2D {
	c := nn.Conv2D{Name: l.name, Filters: l.integer("filters"), L2: l.l2("kernel_regularizer")}
	switch size := compact(l.raw["kernel_size"]); size {
	case "[3,3]", "3":
		c.Kernel = 3
	case "[1,1]", "1":
		c.Kernel = 1
	default:
		l.reject("kernel_size", size, "[3,3] or [1,1]")
	}
	// Padding makes no difference to a 1x1 kernel.
	if padding := l.text("padding"); padding != "same" && (c.Kernel != 1 || padding != "valid") {
		l.reject("padding", fmt.Sprintf("%q", padding), `"same"`)
	}
	return c
}

// l2 returns the λ of an L2 regularizer, or 0. It notes any other regularizer.
func (l *settings) l2(key string) float32 {
	if !l.has(key) {
		return 0
	}
	var o struct {
		Class  string `json:"class_name"`
		Config struct {
			L1 float32 `json:"l1"`
			L2 float32 `json:"l2"`
		} `json:"config"`
	}
	err := json.Unmarshal(l.raw[key], &o)
	plain := o.Class == "L2" || o.Class == "L1L2" && o.Config.L1 == 0
	if lambda := o.Config.L2; err == nil && plain && lambda >= 0 && lambda < 1 {
		return lambda
	}
	l.note(key, compact(l.raw[key]))
	return 0
}

func (l *settings) batchNorm(flat bool) nn.BatchNorm {
	axis := values{"-1", "[-1]", "3", "[3]"}
	if flat {
		axis = values{"-1", "[-1]", "1", "[1]"}
	}
	if text := compact(l.raw["axis"]); l.has("axis") && !slices.Contains(axis, text) {
		l.reject("axis", text, "the last one")
	}
	return nn.BatchNorm{Name: l.name, Momentum: l.orDefault("momentum", momentumDefault),
		Epsilon: l.orDefault("epsilon", epsilonDefault)}
}

// Keras's defaults of BatchNormalization, which nn encodes as 0.
const (
	momentumDefault = 0.99
	epsilonDefault  = 1e-3
)

// orDefault returns a setting, or 0 if it has the default value.
func (l *settings) orDefault(key string, standard float32) float32 {
	x := standard
	l.decode(key, &x)
	switch x {
	case 0:
		l.reject(key, "0", "other values")
	case standard:
		return 0
	}
	return x
}
