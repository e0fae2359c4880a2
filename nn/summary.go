package nn

import (
	"fmt"
	"io"
	"strings"

	"github.com/lamina-go/lamina/internal/digits"
)

// Summary prints the table of layers as Keras does: name and class, output shape and number of
// parameters of each, then the total numbers of parameters.
func (net *Network) Summary(w io.Writer) error {
	const format = "%-44s %-20s %14s\n" // batch_normalization_10 (BatchNormalization), (None, 224, 224, 64)
	var b strings.Builder
	line := strings.Repeat("_", 80) + "\n"
	double := strings.Repeat("=", 80) + "\n"
	b.WriteString(line)
	fmt.Fprintf(&b, format, "Layer (type)", "Output Shape", "Param #")
	b.WriteString(double)
	for _, l := range net.Table {
		t, o := l.Parameters()
		shape := "(None"
		for _, d := range l.Output {
			shape += fmt.Sprintf(", %d", d)
		}
		fmt.Fprintf(&b, format, l.Name+" ("+l.Class+")", shape+")", fmt.Sprint(t+o))
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
