package report

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Confusion is a confusion matrix.
type Confusion struct {
	Title   string
	Classes []string
	Counts  [][]int // images by their class, the row, and the predicted class, the column
}

// The colours of a confusion matrix. Cells range from none to all.
var (
	none  = color.RGBA{246, 248, 251, 255}
	all   = color.RGBA{8, 62, 122, 255}
	black = color.RGBA{28, 34, 44, 255}
	grey  = color.RGBA{104, 114, 128, 255}
)

// PNG draws the matrix. A cell is darker the larger its share of the row. Cells show their counts,
// and rows and columns their names, where they fit.
func (m *Confusion) PNG(w io.Writer) error {
	img, err := m.draw()
	if err != nil {
		return err
	}
	return png.Encode(w, img)
}

// matrixDrawing is a confusion matrix in the making.
type matrixDrawing struct {
	*image.RGBA
	cell, gap  int // pixels of a cell, and between cells
	left, top  int // of the first cell
	text, head font.Face
}

func (m *Confusion) draw() (*image.RGBA, error) {
	const margin, extent, smallest, largest = 24, 640, 3, 52
	n := len(m.Classes)
	d := &matrixDrawing{cell: min(max(extent/n, smallest), largest), left: margin, top: margin}
	if d.cell > 10 {
		d.gap = 2
	}
	var err error
	if d.text, err = face(float64(min(max(d.cell/3, 10), 15))); err != nil {
		return nil, err
	}
	if d.head, err = face(17); err != nil {
		return nil, err
	}
	named := d.cell >= 14
	if named {
		widest := 0
		for _, name := range m.Classes {
			widest = max(widest, font.MeasureString(d.text, name).Ceil())
		}
		d.left, d.top = margin+widest+8, margin+widest+8
	}
	const heading = 60
	d.top += heading
	width := max(d.left+n*d.cell+margin, 420)
	d.RGBA = image.NewRGBA(image.Rect(0, 0, width, d.top+n*d.cell+margin))
	draw.Draw(d, d.Bounds(), image.White, image.Point{}, draw.Src)
	d.write(d.head, black, margin, margin+14, m.Title)
	d.write(d.text, grey, margin, margin+38, "rows: actual class; columns: predicted class")
	for i, name := range m.Classes {
		if named {
			half := d.text.Metrics().XHeight.Ceil() / 2
			middle := i*d.cell + d.cell/2 + half
			d.write(d.text, black, d.left-8-font.MeasureString(d.text, name).Ceil(), d.top+middle, name)
			d.writeUp(d.left+middle, d.top-8, name)
		}
		d.row(i, m.Counts[i])
	}
	return d.RGBA, nil
}

func face(size float64) (font.Face, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, err
	}
	return opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
}

// row draws the cells of a class.
func (d *matrixDrawing) row(i int, counts []int) {
	total := sum(counts)
	for j, count := range counts {
		share := float64(count) / float64(max(total, 1))
		x, y := d.left+j*d.cell, d.top+i*d.cell
		r := image.Rect(x, y, x+d.cell-d.gap, y+d.cell-d.gap)
		draw.Draw(d, r, image.NewUniform(between(none, all, share)), image.Point{}, draw.Src)
		text := fmt.Sprint(count)
		width := font.MeasureString(d.text, text).Ceil()
		if count == 0 || width > d.cell-d.gap-4 {
			continue
		}
		colour := black
		if share > 0.45 {
			colour = none
		}
		d.write(d.text, colour, x+(d.cell-d.gap-width)/2, y+(d.cell-d.gap+d.text.Metrics().CapHeight.Ceil())/2, text)
	}
}

// write draws a text to the right of a point on its baseline.
func (d *matrixDrawing) write(f font.Face, colour color.Color, x, y int, text string) {
	drawer := font.Drawer{Dst: d, Src: image.NewUniform(colour), Face: f, Dot: fixed.P(x, y)}
	drawer.DrawString(text)
}

// writeUp draws a text upwards, with its baseline at x.
func (d *matrixDrawing) writeUp(x, y int, text string) {
	m := d.text.Metrics()
	ascent := m.Ascent.Ceil()
	line := matrixDrawing{RGBA: image.NewRGBA(image.Rect(0, 0, font.MeasureString(d.text, text).Ceil(),
		ascent+m.Descent.Ceil()))}
	line.write(d.text, black, 0, ascent, text)
	rotated := image.NewRGBA(image.Rect(0, 0, line.Bounds().Dy(), line.Bounds().Dx()))
	for v := range rotated.Bounds().Dy() {
		for u := range rotated.Bounds().Dx() {
			rotated.SetRGBA(u, v, line.RGBAAt(line.Bounds().Dx()-1-v, u))
		}
	}
	draw.Draw(d, rotated.Bounds().Add(image.Pt(x-ascent, y-rotated.Bounds().Dy())), rotated, image.Point{}, draw.Over)
}

// between interpolates from a to b, for t from 0 to 1.
func between(a, b color.RGBA, t float64) color.RGBA {
	mix := func(a, b uint8) uint8 { return uint8(float64(a) + t*(float64(b)-float64(a)) + 0.5) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}
