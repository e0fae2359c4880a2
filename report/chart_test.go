package report

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/nn"
)

func curves() []Curve {
	return []Curve{{"deep <&>", rows(3)}, {"flat", rows(1)}, {"not begun", nil}}
}

func TestChartCSV(t *testing.T) {
	want := []string{
		"epoch,deep <&>,flat,not begun\n1,50,50,\n2,75,,\n3,83.33333333333334,,\n",
		"epoch,deep <&>,flat,not begun\n1,2,2,\n2,1,,\n3,0.6666666666666666,,\n",
		"epoch,deep <&>,flat,not begun\n1,25,25,\n2,62.5,,\n3,75,,\n",
		"epoch,deep <&>,flat,not begun\n1,2.5,3,\n2,1.5,,\n3,1,,\n",
		"epoch,deep <&>,flat,not begun\n1,0.5,0,\n2,0,,\n3,0,,\n",
	}
	all := curves()
	all[0].History[0].Validation.CrossEntropy = 2.5 // the other epochs are of a version that did not write it
	for i, c := range Charts() {
		var b bytes.Buffer
		if err := c.CSV(&b, all); err != nil {
			t.Fatal(err)
		}
		if b.String() != want[i] {
			t.Errorf("%s:\n%swant\n%s", c.Name, b.String(), want[i])
		}
	}
}

// Names of folders may begin as formulas of a spreadsheet do.
func TestChartCSVOfFormulas(t *testing.T) {
	var b bytes.Buffer
	err := Charts()[0].CSV(&b, []Curve{{"=1+1", nil}, {"+1", nil}, {"-1", nil}, {"@x", nil}, {"\t=1", nil},
		{"a=1", nil}, {"", nil}})
	if want := "epoch,'=1+1,'+1,'-1,'@x,'\t=1,a=1,\n"; err != nil || b.String() != want {
		t.Errorf("%q, %v, want %q", b.String(), err, want)
	}
}

// ranges returns histories that are hard to draw.
func ranges() map[string][]Curve {
	far := rows(3)
	far[0].Validation.Loss, far[0].Loss = 1e8, 1e8
	zero := rows(2)
	zero[0].Loss, zero[0].Validation.Loss, zero[0].Accuracy = 0, 0, 0
	loss := func(values ...float64) []Curve {
		all := rows(len(values))
		for i, v := range values {
			all[i].Loss = v
		}
		return []Curve{{"a", all}}
	}
	return map[string][]Curve{
		"a diverged epoch": loss(3e17), "the ends of numbers": loss(0, 5e-324, math.MaxFloat64),
		"small and large": loss(5e-324, math.MaxFloat64),
		"the largest":     loss(math.MaxFloat64), "almost equal": loss(1e17, 1e17+16),
		"three runs": curves(), "nothing": nil, "no epochs": {{"a", nil}}, "an epoch": {{"a", rows(1)}},
		"far apart": {{"a", far}}, "zero": {{"a", zero}}, "many epochs": {{"a", rows(200)}},
		"many runs": {{"a", rows(2)}, {"b", rows(2)}, {"c", rows(2)}, {"d", rows(2)}, {"e", rows(2)},
			{"f", rows(2)}, {"g", rows(2)}},
		"equal values": {{"a", []nn.Row{{Epoch: 1}, {Epoch: 2}}}},
	}
}

func TestChartsOfAnything(t *testing.T) {
	for name, curves := range ranges() {
		for _, c := range Charts() {
			x, y := epochAxis(curves), c.valueAxis(curves)
			for _, curve := range curves {
				for _, row := range curve.History {
					if px, py := x.at(float64(row.Epoch)), y.at(c.shown(row)); !(px >= 0 && px <= 1 && py >= 0 && py <= 1) {
						t.Errorf("%s, %s: epoch %d is at %v, %v", name, c.Name, row.Epoch, px, py)
					}
				}
			}
			for axis, ticks := range map[string]int{"x": len(x.ticks), "y": len(y.ticks)} {
				if ticks < 1 || ticks > 12 {
					t.Errorf("%s, %s: %d ticks on %s", name, c.Name, ticks, axis)
				}
			}
			svg := string(c.SVG(curves))
			if err := wellFormed(svg); err != nil || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("%s, %s: %v: %s", name, c.Name, err, svg)
			}
			var b bytes.Buffer
			if err := c.PNG(&b, curves); err != nil {
				t.Fatalf("%s, %s: %v", name, c.Name, err)
			}
			if _, err := png.Decode(&b); err != nil {
				t.Errorf("%s, %s: %v", name, c.Name, err)
			}
		}
	}
}

func wellFormed(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestLogarithmicWhereFarApart(t *testing.T) {
	loss := Charts()[3]
	if loss.valueAxis(curves()).logarithmic {
		t.Error("losses from 1 to 3 have a logarithmic axis")
	}
	y := loss.valueAxis(ranges()["far apart"])
	if !y.logarithmic || !(math.Abs(y.at(1e4)-0.5) <= 1e-9) {
		t.Errorf("losses from 1 to 1e8: 1e4 is at %v, want the middle", y.at(1e4))
	}
}

func TestPage(t *testing.T) {
	p := Page{Title: "Depth <b>", Lead: []string{"first", "second"}, Charts: Charts(), Curves: curves(), Parts: []Part{Table{
		Title: "Results", Head: []string{"run", "best", "time"}, Notes: []string{"note"},
		Rows: [][]Cell{{Text("deep <&>"), {Text: "75 %", Number: true, Best: true}, Time("3 s")}},
	}}}
	var b bytes.Buffer
	if err := p.HTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, words := range []string{
		"<title>Depth &lt;b&gt;</title>", `<p class="lead">first</p>`,
		`<p class="legend"><span class="line0">deep &lt;&amp;&gt;</span>`, `<th class="number">best</th>`,
		`<td class="number best ">75 %</td>`, `<td class="number time">3 s</td>`,
		`.line0 { --stroke: light-dark(#0072b2, #4aa8e8); }`, "note",
	} {
		if !strings.Contains(text, words) {
			t.Errorf("the page lacks %s", words)
		}
	}
	if n := strings.Count(text, ">deep &lt;&amp;&gt;</span>"); n != 1 {
		t.Errorf("%d legends, want 1", n)
	}
	if n := strings.Count(text, `<svg class="chart"`); n != 5 {
		t.Errorf("%d charts, want 5", n)
	}
	for _, words := range []string{"not begun", `"http:`, `"https:`, "src=", "href=", "ZgotmplZ"} {
		if strings.Contains(text, words) {
			t.Errorf("the page has %s", words)
		}
	}
}

// The labels of an axis have one form, with as many decimals.
func TestTickLabels(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      string
	}{
		{11.4, 15.1, "12 13 14 15"},
		{11.4, 14.8, "11.5 12.0 12.5 13.0 13.5 14.0 14.5"},
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{9.7, 92, "20 40 60 80"},
		{2.301, 2.3034, "2.3010 2.3015 2.3020 2.3025 2.3030"},
		{1.23e8, 1.31e8, "1.24e+08 1.26e+08 1.28e+08 1.30e+08"},
		{1e-9, 8e-9, "1e-09 2e-09 3e-09 4e-09 5e-09 6e-09 7e-09 8e-09"},
	} {
		var got []string
		for _, tick := range even(test.low, test.high) {
			got = append(got, tick.Label)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%v to %v: %s, want %s", test.low, test.high, text, test.want)
		}
	}
}

// So do those of a logarithmic axis.
func TestDecadeLabels(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      string
	}{
		{0.001, 10_000, "0.001 0.01 0.1 1 10 100 1000 10000"},
		{100, 1e6, "1e2 1e3 1e4 1e5 1e6"},
		{1e-4, 10, "1e-4 1e-3 1e-2 1e-1 1e0 1e1"},
	} {
		var got []string
		for _, tick := range decades(test.low, test.high) {
			got = append(got, tick.Label)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%v to %v: %s, want %s", test.low, test.high, text, test.want)
		}
	}
}
