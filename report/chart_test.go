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
		"a diverged epoch": loss(3e17), "the ends of numbers": loss(0, 5e-324, math.MaxFloat64), "small and large": loss(5e-324, math.MaxFloat64),
		"the largest": loss(math.MaxFloat64), "almost equal": loss(1e17, 1e17+16),
		"three runs": curves(), "nothing": nil, "no epochs": {{"a", nil}}, "an epoch": {{"a", rows(1)}},
		"far apart": {{"a", far}}, "zero": {{"a", zero}}, "many epochs": {{"a", rows(200)}},
		"many runs":    {{"a", rows(2)}, {"b", rows(2)}, {"c", rows(2)}, {"d", rows(2)}, {"e", rows(2)}, {"f", rows(2)}, {"g", rows(2)}},
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
	p := Page{Title: "Depth <b>", Lead: []string{"first", "second"}, Curves: curves(), Tables: []Table{{
		Title: "Results", Head: []string{"run", "best", "time"}, Notes: []string{"note"},
		Rows: [][]Cell{{Text("deep <&>"), {Text: "75 %", Number: true, Best: true}, Time("3 s")}},
	}}}
	var b bytes.Buffer
	if err := p.HTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, words := range []string{
		"<title>Depth &lt;b&gt;</title>", "<p>first</p>", `<span class="line0">deep &lt;&amp;&gt;</span>`, `<th class="number">best</th>`,
		`<td class="number best ">75 %</td>`, `<td class="number time">3 s</td>`, `.line0{--ink:#0072b2}`, ".line0{--ink:#4aa8e8}", "note",
	} {
		if !strings.Contains(text, words) {
			t.Errorf("the page lacks %s", words)
		}
	}
	if n := strings.Count(text, "<svg "); n != 5 {
		t.Errorf("%d charts, want 5", n)
	}
	for _, words := range []string{"not begun", "http:", "https:", "src=", "href=", "ZgotmplZ"} {
		if strings.Contains(text, words) {
			t.Errorf("the page has %s", words)
		}
	}
}
