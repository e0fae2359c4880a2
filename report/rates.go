package report

import (
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Rates draws the losses at learning rates, above 0 and in order, on a logarithmic axis, with a line
// at one of them.
func Rates(w io.Writer, rates, losses []float64, chosen float64) error {
	p := plot.New()
	p.Title.Text, p.Title.Padding = "Loss of a run whose learning rate rises", vg.Points(8)
	p.X.Label.Text, p.Y.Label.Text = "learning rate", "smoothed cross-entropy"
	for _, style := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font.Variant = "Sans"
	}
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: 1}
	points := make(plotter.XYs, len(rates))
	low, high := losses[0], losses[0]
	for i, rate := range rates {
		points[i] = plotter.XY{X: rate, Y: losses[i]}
		low, high = min(low, losses[i]), max(high, losses[i])
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color, line.Width = parseColor(inks()[0].light), vg.Points(1.5)
	mark, err := plotter.NewLine(plotter.XYs{{X: chosen, Y: low}, {X: chosen, Y: high}})
	if err != nil {
		return err
	}
	mark.Color, mark.Dashes = color.Gray{100}, []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(plotter.NewGrid(), line, mark)
	img := vgimg.New(16*vg.Centimeter, 9*vg.Centimeter)
	const margin = 10
	p.Draw(draw.Crop(draw.New(img), margin, -margin, margin, -margin))
	_, err = vgimg.PngCanvas{Canvas: img}.WriteTo(w)
	return err
}
