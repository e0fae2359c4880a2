package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// matrixOf returns a matrix of n classes, each mistaken for the next.
func matrixOf(n int) *Confusion {
	m := &Confusion{Title: "matrix <b>"}
	for i := range n {
		m.Classes = append(m.Classes, fmt.Sprintf("<script>alert(%d)</script>", i))
		row := make([]int, n)
		row[i] = 3
		row[(i+1)%n]++
		m.Counts = append(m.Counts, row)
	}
	return m
}

func TestMatrixSVG(t *testing.T) {
	for n, want := range map[int]struct{ names, counts int }{1: {2, 1}, 2: {4, 4}, 10: {20, 20}, 40: {80, 80},
		300: {0, 0}} {
		m := matrixOf(n)
		svg := string(m.SVG())
		if err := wellFormed(svg); err != nil {
			t.Errorf("%d classes: %v", n, err)
		}
		names, counts := strings.Count(svg, `"name"`), strings.Count(svg, `"count"`)+strings.Count(svg, `"dark"`)
		if names != want.names || counts != want.counts || strings.Contains(svg, "<script") || len(svg) > 60_000 {
			t.Errorf("%d classes: %d names and %d counts in %d bytes, want %+v", n, names, counts, len(svg), want)
		}
	}
	empty := Confusion{Classes: []string{"a", "b"}, Counts: [][]int{{0, 0}, {0, 0}}}
	if err := wellFormed(string(empty.SVG())); err != nil {
		t.Error(err)
	}
}

func TestMatrixTable(t *testing.T) {
	m := Confusion{Classes: []string{"a", "b", "c"}, Counts: [][]int{{5, 1, 2}, {0, 4, 0}, {0, 0, 0}}}
	var got []string
	for _, row := range m.Table().Rows {
		var words []string
		for _, cell := range row {
			words = append(words, cell.Text)
		}
		got = append(got, strings.Join(words, ", "))
	}
	want := []string{"a, 8, 5, 62.5 %, 100.0 %, c (2)", "b, 4, 4, 100.0 %, 80.0 %, -", "c, 0, 0, -, 0.0 %, -"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A page has its images inside, and shows names as text.
func TestPageOfARun(t *testing.T) {
	large := image.NewNRGBA(image.Rect(0, 0, 400, 100))
	small := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	small.Set(1, 1, color.White)
	g := Gallery{Title: "images", Notes: []string{"note"}}
	for _, m := range []image.Image{large, small} {
		shown, err := NewImage(m, "<i>")
		if err != nil {
			t.Fatal(err)
		}
		shown.Wrong = "<b> 97 %"
		g.Images = append(g.Images, shown)
	}
	if c, format, err := image.DecodeConfig(bytes.NewReader(g.Images[0].Data)); err != nil || format != "jpeg" || c.Width != 96 || c.Height != 24 {
		t.Errorf("%v, %s, %dx%d, want a jpeg of 96x24", err, format, c.Width, c.Height)
	}
	p := Page{
		Title:  "run",
		Charts: RunCharts(),
		Curves: RunCurves(rows(3)),
		Parts:  []Part{matrixOf(2), matrixOf(2).Table(), g},
	}
	var b bytes.Buffer
	if err := p.HTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, words := range []string{"Accuracy, %", "Learning rate", ">validation</span>",
		"<h2>matrix &lt;b&gt;</h2>", `<svg class="matrix"`,
		"&lt;script&gt;alert(0)&lt;/script&gt;", `src="data:image/jpeg;base64,`,
		`class="tiny" src="data:image/png;base64,`,
		`alt="&lt;i&gt;"`, "<strong>&lt;b&gt; 97 %</strong>"} {
		if !strings.Contains(text, words) {
			t.Errorf("the page lacks %s", words)
		}
	}
	for _, words := range []string{"<script", "<i>", `src="h`, "href=", "ZgotmplZ", "-0.00"} {
		if strings.Contains(text, words) {
			t.Errorf("the page has %s", words)
		}
	}
}

// A long history has as few points as fit, among them the last.
func TestLongHistory(t *testing.T) {
	all := rows(10_001)
	few := thinned(all)
	if len(few) > 400 || len(few) < 200 || few[len(few)-1].Epoch != 10_001 {
		t.Errorf("%d epochs, the last %d", len(few), few[len(few)-1].Epoch)
	}
}
