package report

import (
	"image/color"
	"io"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// PNG writes the picture with a legend.
func (c Chart) PNG(w io.Writer, curves []Curve) error {
	p := plot.New()
	p.Title.Text = c.Title
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text = "epoch"
	p.Add(plotter.NewGrid())
	// The legend stands where rising and falling curves leave room.
	p.Legend.Left, p.Legend.Top = false, c.falls(curves)
	p.Legend.Padding = vg.Points(2)
	p.Legend.YPosition = draw.PosCenter
	for i, curve := range curves {
		if len(curve.History) == 0 {
			continue
		}
		points := make(plotter.XYs, len(curve.History))
		for j, row := range curve.History {
			points[j] = plotter.XY{X: float64(row.Epoch), Y: c.value(row)}
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color = parseColor(inks()[i%len(inks())].light)
		line.Width = vg.Points(1.5)
		if i >= len(inks()) {
			line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		marks.Shape, marks.Color, marks.Radius = draw.CircleGlyph{}, line.Color, vg.Points(2.5)
		p.Add(line)
		p.Legend.Add(curve.Name, line)
		if len(curve.History) <= fewEpochs {
			p.Add(marks)
		}
	}
	x, y := epochAxis(curves), c.valueAxis(curves)
	p.X.Min, p.X.Max, p.X.Tick.Marker = x.min, x.max, x.ticks
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = y.min, y.max, y.ticks
	if y.logarithmic {
		p.Y.Scale = plot.LogScale{}
	}
	const width, height = 16 * vg.Centimeter, 10 * vg.Centimeter
	picture, err := p.WriterTo(width, height, "png")
	if err != nil {
		return err
	}
	_, err = picture.WriteTo(w)
	return err
}

// falls reports whether the longest curve ends lower than it begins.
func (c Chart) falls(curves []Curve) bool {
	for _, curve := range curves {
		if n := len(curve.History); n > 0 && n == epochs(curves) {
			return c.value(curve.History[n-1]) < c.value(curve.History[0])
		}
	}
	return false
}

// parseColor reads "#rrggbb".
func parseColor(text string) color.Color {
	v, _ := strconv.ParseUint(text[1:], 16, 24)
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}
