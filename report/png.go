package report

import (
	"image/color"
	"io"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// PNG writes the chart with a legend beside it.
func (c Chart) PNG(w io.Writer, curves []Curve) error {
	p, legend := plot.New(), plot.NewLegend()
	p.Title.Text, p.Title.Padding = c.Title, vg.Points(8)
	p.X.Label.Text = "epoch"
	for _, style := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &legend.TextStyle} {
		style.Font.Variant = "Sans"
	}
	p.Add(plotter.NewGrid())
	for i, curve := range curves {
		if len(curve.History) == 0 {
			continue
		}
		points := make(plotter.XYs, len(curve.History))
		for j, row := range curve.History {
			points[j] = plotter.XY{X: float64(row.Epoch), Y: c.shown(row)}
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
		legend.Add(curve.Name, line)
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
	const width, height, margin = 18 * vg.Centimeter, 9 * vg.Centimeter, 10
	img := vgimg.New(width, height)
	canvas := draw.New(img)
	canvas.SetColor(color.White)
	canvas.Fill(canvas.Rectangle.Path())
	canvas = draw.Crop(canvas, margin, -margin, margin, -margin)
	legend.Left, legend.XOffs, legend.YOffs, legend.Padding = false, 0, -vg.Points(30), vg.Points(2)
	legend.Top = true
	right := legend.Rectangle(canvas).Size().X + margin
	legend.Draw(canvas)
	p.Draw(draw.Crop(canvas, 0, -right, 0, 0))
	_, err := vgimg.PngCanvas{Canvas: img}.WriteTo(w)
	return err
}

// parseColor reads "#rrggbb".
func parseColor(rgb string) color.Color {
	v, _ := strconv.ParseUint(rgb[1:], 16, 24)
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}
