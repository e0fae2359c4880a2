package nn

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/digits"
)

// Summary prints the table of layers as Keras does: name and class, output shape and number of
// parameters of each and, unless each takes the output of the one before, whose outputs it takes.
// Then it prints the total numbers of parameters.
func (net *Network) Summary(w io.Writer) error {
	const format = "%-44s %-20s %14s%s\n" // batch_normalization_10 (BatchNormalization), (None, 224, 224, 64)
	width, inputs := 80, ""
	graph := !net.chain()
	if graph {
		width, inputs = 110, "   Connected to"
	}
	var b strings.Builder
	line := strings.Repeat("_", width) + "\n"
	double := strings.Repeat("=", width) + "\n"
	b.WriteString(line)
	fmt.Fprintf(&b, format, "Layer (type)", "Output Shape", "Param #", inputs)
	b.WriteString(double)
	for _, l := range net.Table {
		t, o := l.Parameters()
		shape := "(None"
		for _, d := range l.Output {
			shape += fmt.Sprintf(", %d", d)
		}
		if graph {
			inputs = "   " + net.inputNames(l)
		}
		fmt.Fprintf(&b, format, l.Name+" ("+l.Class+")", shape+")", fmt.Sprint(t+o), inputs)
	}
	b.WriteString(double)
	trainable, other := net.Parameters()
	for _, total := range []struct {
		what string
		n    int
	}{{"Total", trainable + other}, {"Trainable", trainable}, {"Non-trainable", other}} {
		fmt.Fprintf(&b, "%s params: %s (%.2f MB)\n", total.what, digits.Group(total.n), float64(total.n)*4/(1<<20))
	}
	b.WriteString(line)
	_, err := io.WriteString(w, b.String())
	return err
}

// chain reports whether each layer takes the output of the one before it.
func (net *Network) chain() bool {
	for i, row := range net.Table {
		if !slices.Equal(row.Inputs, []int{i - 1}) {
			return false
		}
	}
	return true
}

// inputNames lists the layers whose outputs a row takes.
func (net *Network) inputNames(row LayerInfo) string {
	var names []string
	for _, in := range row.Inputs {
		name := images
		if in != imagesRow {
			name = net.Table[in].Name
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
