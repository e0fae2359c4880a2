package report

import (
	"fmt"
	"html"
	"html/template"
	"strings"

	"github.com/lamina-go/lamina/nn"
)

// The coordinates of a chart in SVG. On a phone a unit is about a point, so that text is legible.
const (
	svgWidth, svgHeight = 360, 250
	svgLeft, svgRight   = 46, 350
	svgTop, svgBottom   = 10, 210
)

// SVG returns the chart as an element of a page, which has the legend. It is drawn by hand because
// gonum/plot's SVG has fixed colours and sizes: here the classes line0, line1 … of the page's style
// set the colours, for light and dark backgrounds, and a line has its name as a tooltip.
func (c Chart) SVG(curves []Curve) template.HTML {
	if c.single {
		curves = curves[:1]
	}
	x, y := epochAxis(curves), c.valueAxis(curves)
	across := func(v float64) float64 { return svgLeft + x.at(v)*(svgRight-svgLeft) }
	up := func(v float64) float64 { return svgBottom - y.at(v)*(svgBottom-svgTop) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s over epochs">`, svgWidth, svgHeight,
		html.EscapeString(c.Title))
	for _, tick := range y.ticks {
		at := up(tick.Value)
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
			svgLeft, at, svgRight, svgLeft-6, at+4, html.EscapeString(tick.Label))
	}
	for _, tick := range x.ticks {
		at := across(tick.Value)
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %dV%d"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			at, svgTop, svgBottom, at, svgBottom+16, tick.Label)
	}
	fmt.Fprintf(&b, `<path class="axis" d="M%d %dV%dH%d"/>`, svgLeft, svgTop, svgBottom, svgRight)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">epoch</text>`, (svgLeft+svgRight)/2, svgHeight-6)
	for i, curve := range curves {
		if len(curve.History) == 0 {
			continue
		}
		fmt.Fprintf(&b, `<g class="%s"><title>%s</title><polyline points="`, lineClass(i),
			html.EscapeString(curve.Name))
		for _, row := range thinned(curve.History) {
			fmt.Fprintf(&b, "%.1f,%.1f ", across(float64(row.Epoch)), up(c.shown(row)))
		}
		b.WriteString(`"/>`)
		if len(curve.History) <= fewEpochs {
			for _, row := range curve.History {
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3"/>`, across(float64(row.Epoch)), up(c.shown(row)))
			}
		}
		b.WriteString("</g>")
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// thinned returns at most some hundred epochs of a history, the last among them.
func thinned(history []nn.Row) []nn.Row {
	const most = 400
	every := (len(history) + most - 1) / most
	if every <= 1 {
		return history
	}
	var rows []nn.Row
	for i := (len(history) - 1) % every; i < len(history); i += every {
		rows = append(rows, history[i])
	}
	return rows
}
