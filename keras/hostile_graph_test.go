package keras

import (
	"archive/zip"
	"fmt"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/hdf5"
)

// hostileConfig opens a configuration in each kind of file, with the weights of a small layer.
func hostileConfig(t *testing.T, v *victim, name, config, want string) {
	t.Helper()
	tree := hdf5.NewTree()
	vars := tree.Group("layers/dense/vars")
	vars.Floats("0", []int{4, 4}, func(dst []float32, _ int) error { return nil })
	vars.Floats("1", []int{4}, func(dst []float32, _ int) error { return nil })
	hostile(t, v, name+".keras",
		zipped(t, zip.Deflate, map[string][]byte{configName: []byte(config), weightsName: written(t, tree)}),
		want)
	tree.Attr(configAttribute, config)
	hostile(t, v, name+".h5", written(t, tree), want)
}

// TestHostileGraphs has configurations of a few kilobytes that stand for much memory or time.
func TestHostileGraphs(t *testing.T) {
	v := hostileVictim(t)
	flat := model(inputJSON, flattenJSON, strings.Replace(denseJSON, `"units":5`, `"units":%d`, 1))
	for _, units := range []int{31_250_000, 1 << 31, 1 << 62} { // 10⁹ weights, and sizes that overflow
		hostileConfig(t, v, fmt.Sprintf("%d units", units), fmt.Sprintf(flat, units), "")
	}
	for _, conv := range []string{`"filters":1000000000`, `"filters":1,"kernel_size":[1000000000,1000000000]`, `"filters":1,"strides":9223372036854775807`,
		`"filters":-1`, `"filters":1,"kernel_size":99999999999999999999`, `"filters":1,"kernel_size":0`} {
		text := layerText("Conv2D", "c", `"kernel_size":3,"padding":"same",`+conv)
		if strings.Contains(conv, "kernel_size") {
			text = layerText("Conv2D", "c", `"padding":"same",`+conv)
		}
		hostileConfig(t, v, conv,
			model(inputJSON, text, `{"class_name":"GlobalMaxPooling2D","config":{"name":"g"}}`, denseJSON), "")
	}
	hostileConfig(t, v, "multiplier",
		model(inputJSON, layerText("DepthwiseConv2D", "c", `"kernel_size":3,"depth_multiplier":2000000000`),
			flattenJSON, denseJSON),
		"")
	hostileConfig(t, v, "padding",
		model(inputJSON, layerText("ZeroPadding2D", "z", `"padding":[[1000000000,1000000000],[1000000000,1000000000]]`),
			flattenJSON, denseJSON),
		"")
	hostileConfig(t, v, "padding that overflows",
		model(inputJSON, layerText("ZeroPadding2D", "z", `"padding":9223372036854775807`), flattenJSON, denseJSON),
		"")

	// Doubling the channels in each layer.
	layers := []string{node2("in", inputJSON)}
	last := "in"
	for i := range 70 {
		name := fmt.Sprint("a", i)
		layers = append(layers, node2(name, layerText("Concatenate", name, ""), last, last))
		last = name
	}
	layers = append(layers, node2("g", `{"class_name":"GlobalMaxPooling2D","config":{"name":"g"}}`, last),
		node2("d", denseJSON, "g"))
	hostileConfig(t, v, "channels doubled", functional(`["in",0,0]`, `["d",0,0]`, layers...), "")

	deep := denseJSON
	for i := range 2000 {
		deep = fmt.Sprintf(`{"class_name":"Sequential","config":{"name":"m%d","layers":[%s]}}`, i, deep)
	}
	hostileConfig(t, v, "deep", deep, "")

	inputs := strings.Repeat(`["in",0,0,{}],`, 200_000) + `["in",0,0,{}]`
	wide := strings.Replace(node2("a", layerText("Add", "a", ""), "in"), `["in",0,0,{}]`, inputs, 1)
	hostileConfig(t, v, "wide",
		functional(`["in",0,0]`, `["d",0,0]`, node2("in", inputJSON), wide, node2("f", flattenJSON, "a"),
			node2("d", denseJSON, "f")),
		"")

	var backwards []string
	for i := range 3000 {
		backwards = append(backwards, node2(fmt.Sprint("f", i), layerText("Flatten", fmt.Sprint("f", i), ""),
			fmt.Sprint("f", i+1)))
	}
	backwards = append(backwards, node2("f3000", flattenJSON, "in"), node2("in", inputJSON))
	hostileConfig(t, v, "backwards", functional(`["in",0,0]`, `["f0",0,0]`, backwards...), "")

	calls := strings.Repeat(`[["in",0,0]],`, 100_000) + `[["in",0,0]]`
	hostileConfig(t, v, "calls",
		functional(`["in",0,0]`, `["d",0,0]`, node2("in", inputJSON),
			strings.Replace(node2("d", denseJSON, "in"), `[["in",0,0,{}]]`, calls, 1)),
		"")
}
