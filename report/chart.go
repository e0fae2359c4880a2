package report

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"

	"github.com/lamina-go/lamina/nn"
)

// Curve is a run in a chart: a line with a name.
type Curve struct {
	Name    string
	History []nn.Row
}

// Chart shows a value over the epochs, with a line for each curve.
type Chart struct {
	Name  string // the stem of its files
	Title string
	value func(nn.Row) float64
	// single shows the first curve alone, on a linear axis.
	single bool
}

// Charts returns the charts that compare runs.
func Charts() []Chart {
	return []Chart{
		{Name: "training_accuracy", Title: "Training accuracy, %", value: accuracy},
		{Name: "training_cross_entropy", Title: "Training cross-entropy", value: entropy},
		{Name: "validation_accuracy", Title: "Validation accuracy, %",
			value: func(r nn.Row) float64 { return 100 * r.Validation.Accuracy }},
		{Name: "validation_cross_entropy", Title: "Validation cross-entropy",
			value: func(r nn.Row) float64 { return crossEntropy(r.Validation) }},
		{Name: "penalty", Title: "Penalty of weight decay",
			value: func(r nn.Row) float64 { return r.Validation.Penalty() }},
	}
}

// RunCharts returns the charts of one run, of the curves of [RunCurves].
func RunCharts() []Chart {
	return []Chart{
		{Name: "accuracy", Title: "Accuracy, %", value: accuracy},
		{Name: "cross_entropy", Title: "Cross-entropy", value: entropy},
		{Name: "lr", Title: "Learning rate", value: func(r nn.Row) float64 { return r.LearningRate }, single: true},
	}
}

// RunCurves returns the curves of one run: that of training, and that of validation.
func RunCurves(history []nn.Row) []Curve {
	validation := make([]nn.Row, len(history))
	for i, row := range history {
		validation[i] = nn.Row{Epoch: row.Epoch, Result: row.Validation}
	}
	return []Curve{{"training", history}, {"validation", validation}}
}

func accuracy(r nn.Row) float64 { return 100 * r.Accuracy }
func entropy(r nn.Row) float64  { return crossEntropy(r.Result) }

// crossEntropy returns the cross-entropy or, of a version that did not write it, the whole loss.
func crossEntropy(r nn.Result) float64 { return cmp.Or(r.CrossEntropy, r.Loss) }

// CSV writes a row for each epoch and a column for each run, empty after the end of a shorter run.
func (c Chart) CSV(w io.Writer, curves []Curve) error {
	out := csv.NewWriter(w)
	record := []string{"epoch"}
	for _, curve := range curves {
		record = append(record, cell(curve.Name))
	}
	out.Write(record) // the writer keeps errors
	for epoch := 1; epoch <= epochs(curves); epoch++ {
		record = []string{strconv.Itoa(epoch)}
		for _, curve := range curves {
			text := ""
			if epoch <= len(curve.History) {
				text = strconv.FormatFloat(c.value(curve.History[epoch-1]), 'g', -1, 64)
			}
			record = append(record, text)
		}
		out.Write(record)
	}
	out.Flush()
	return out.Error()
}

// cell returns a name for a cell that a spreadsheet does not take for a formula.
func cell(name string) string {
	if name != "" && strings.ContainsRune("=+-@\t\r", rune(name[0])) {
		return "'" + name
	}
	return name
}

// epochs returns the length of the longest run.
func epochs(curves []Curve) int {
	longest := 0
	for _, curve := range curves {
		longest = max(longest, len(curve.History))
	}
	return longest
}

// shown returns the value of an epoch, limited to a range for which axes can be computed.
func (c Chart) shown(r nn.Row) float64 {
	const nearest, farthest = 1e-100, 1e100
	if v := c.value(r); v > 0 {
		return min(max(v, nearest), farthest)
	}
	return 0
}

// axis is an axis of a chart.
type axis struct {
	min, max    float64
	logarithmic bool
	ticks       plot.ConstantTicks
}

// at returns the position of a value on the axis, from 0 to 1.
func (a axis) at(v float64) float64 {
	if a.logarithmic {
		return math.Log(v/a.min) / math.Log(a.max/a.min)
	}
	return (v - a.min) / (a.max - a.min)
}

// epochAxis returns the axis of the epochs.
func epochAxis(curves []Curve) axis {
	last := epochs(curves)
	step := 1
	for i := 0; last/step > 7; i++ {
		step = []int{2, 5, 10}[i%3] * int(math.Pow10(i/3))
	}
	a := axis{min: 1, max: float64(last)}
	if last < 2 {
		a.min, a.max = 0.5, 1.5 // a point in the middle
	}
	for epoch := step; epoch <= max(last, 1); epoch += step {
		a.ticks = append(a.ticks, plot.Tick{Value: float64(epoch), Label: strconv.Itoa(epoch)})
	}
	return a
}

// valueAxis returns the axis of the values, logarithmic if some are far larger than others.
func (c Chart) valueAxis(curves []Curve) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, curve := range curves {
		for _, row := range curve.History {
			low, high = min(low, c.shown(row)), max(high, c.shown(row))
		}
	}
	switch {
	case low > high: // no values
		low, high = 0, 1
	case high-low <= high*1e-9:
		around := max(0.5, low/20) // less would vanish beside a large value
		low, high = low-around, high+around
	}
	var a axis
	const far = 50
	if low > 0 && high > far*low && !c.single {
		a.logarithmic = true
		a.min, a.max = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
		a.ticks = decades(a.min, a.max)
	} else {
		edge := (high - low) / 20
		a.min, a.max = low-edge, high+edge
		a.ticks = even(a.min, a.max)
	}
	return a
}

// even returns three to eight ticks at multiples of 1, 2 or 5 times a power of ten. All have labels
// of as many decimals.
func even(low, high float64) (ticks []plot.Tick) {
	const most = 8
	power := int(math.Floor(math.Log10((high - low) / most)))
	step := math.Pow10(power)
	for _, times := range []float64{1, 2, 5, 10} {
		if step = times * math.Pow10(power); (high-low)/step <= most-1 {
			break
		}
	}
	largest := math.Log10(max(math.Abs(low), math.Abs(high)))
	unit := math.Floor(math.Log10(step * 1.0001)) // of the last digit
	for i := math.Ceil(low / step); i <= math.Floor(high/step); i++ {
		v := i * step
		if i == 0 { // which may be −0
			v = 0
		}
		label := strconv.FormatFloat(v, 'f', int(max(0, -unit)), 64)
		if largest >= 5 || unit < -5 {
			label = strconv.FormatFloat(v, 'e', int(max(0, math.Floor(largest)-unit)), 64)
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: label})
	}
	return ticks
}

// decades returns ticks at powers of ten, at most as many as fit an axis.
func decades(low, high float64) (ticks []plot.Tick) {
	first, last := int(math.Round(math.Log10(low))), int(math.Round(math.Log10(high)))
	for n := first; n <= last; n += 1 + (last-first)/8 {
		label := fmt.Sprintf("1e%d", n)
		if first >= -3 && last <= 4 {
			label = strconv.FormatFloat(math.Pow10(n), 'f', -1, 64)
		}
		ticks = append(ticks, plot.Tick{Value: math.Pow10(n), Label: label})
	}
	return ticks
}

// ink is the colour of a line on a light and on a dark background. The palette is safe for
// colour-blind readers: M. Okabe and K. Ito, Color Universal Design (2008).
type ink struct{ light, dark string }

func inks() []ink {
	return []ink{
		{"#0072b2", "#4aa8e8"}, {"#d55e00", "#ff8442"}, {"#009e73", "#2cc79a"},
		{"#cc79a7", "#e89cc9"}, {"#e69f00", "#f2b92b"}, {"#56b4e9", "#9bdcff"},
	}
}

// fewEpochs is the number of epochs up to which lines have points.
const fewEpochs = 12
