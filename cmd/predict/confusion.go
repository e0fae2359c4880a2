package main

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// The colours of the picture of a confusion matrix: cells go from none to all.
var (
	none = color.RGBA{246, 248, 251, 255}
	all  = color.RGBA{8, 62, 122, 255}
	ink  = color.RGBA{28, 34, 44, 255}
	grey = color.RGBA{104, 114, 128, 255}
)

// chart is the picture of a confusion matrix while it is drawn.
type chart struct {
	*image.RGBA
	cell, gap      int // pixels of a cell, and those between cells
	left, top      int // of the first cell
	text, headings font.Face
}

// drawConfusion draws a confusion matrix: a row for each class, a column for each that it was taken
// for, the darker the larger a part of the row. Where cells are large enough they have their count, and rows
// and columns their names.
func drawConfusion(e *evaluation) (image.Image, error) {
	const margin, extent, smallest, largest = 24, 640, 3, 52
	n := len(e.Classes)
	c := &chart{cell: min(max(extent/n, smallest), largest), left: margin, top: margin}
	if c.cell > 10 {
		c.gap = 2
	}
	var err error
	if c.text, err = face(float64(min(max(c.cell/3, 10), 15))); err != nil {
		return nil, err
	}
	if c.headings, err = face(17); err != nil {
		return nil, err
	}
	named := c.cell >= 14
	if named {
		widest := 0
		for _, name := range e.Classes {
			widest = max(widest, font.MeasureString(c.text, name).Ceil())
		}
		c.left, c.top = margin+widest+8, margin+widest+8
	}
	const heading = 60
	c.top += heading
	width := max(c.left+n*c.cell+margin, 420)
	c.RGBA = image.NewRGBA(image.Rect(0, 0, width, c.top+n*c.cell+margin))
	draw.Draw(c, c.Bounds(), image.White, image.Point{}, draw.Src)
	c.write(c.headings, ink, margin, margin+14, fmt.Sprintf("accuracy %.2f %%, loss %.4f, %d images", 100*e.Accuracy, e.Loss, e.Images))
	c.write(c.text, grey, margin, margin+38, "rows: the class; columns: what it was taken for")
	for i, name := range e.Classes {
		if named {
			half := c.text.Metrics().XHeight.Ceil() / 2
			middle := i*c.cell + c.cell/2 + half
			c.write(c.text, ink, c.left-8-font.MeasureString(c.text, name).Ceil(), c.top+middle, name)
			c.writeUp(c.left+middle, c.top-8, name)
		}
		c.row(i, e.Confusion[i])
	}
	return c, nil
}

func face(size float64) (font.Face, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, err
	}
	return opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
}

// row draws the cells of a class.
func (c *chart) row(i int, counts []int) {
	whole := max(sum(counts), 1)
	for j, count := range counts {
		part := float64(count) / float64(whole)
		x, y := c.left+j*c.cell, c.top+i*c.cell
		r := image.Rect(x, y, x+c.cell-c.gap, y+c.cell-c.gap)
		draw.Draw(c, r, image.NewUniform(between(none, all, part)), image.Point{}, draw.Src)
		text := fmt.Sprint(count)
		room := font.MeasureString(c.text, text).Ceil()
		if count == 0 || room > c.cell-c.gap-4 {
			continue
		}
		colour := ink
		if part > 0.45 {
			colour = none
		}
		c.write(c.text, colour, x+(c.cell-c.gap-room)/2, y+(c.cell-c.gap+c.text.Metrics().CapHeight.Ceil())/2, text)
	}
}

// write draws a text from a point on its base line on.
func (c *chart) write(f font.Face, colour color.Color, x, y int, text string) {
	d := font.Drawer{Dst: c, Src: image.NewUniform(colour), Face: f, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// writeUp draws a text upwards, its base line at x.
func (c *chart) writeUp(x, y int, text string) {
	m := c.text.Metrics()
	ascent := m.Ascent.Ceil()
	line := chart{RGBA: image.NewRGBA(image.Rect(0, 0, font.MeasureString(c.text, text).Ceil(), ascent+m.Descent.Ceil()))}
	line.write(c.text, ink, 0, ascent, text)
	turned := image.NewRGBA(image.Rect(0, 0, line.Bounds().Dy(), line.Bounds().Dx()))
	for v := range turned.Bounds().Dy() {
		for u := range turned.Bounds().Dx() {
			turned.SetRGBA(u, v, line.RGBAAt(line.Bounds().Dx()-1-v, u))
		}
	}
	draw.Draw(c, turned.Bounds().Add(image.Pt(x-ascent, y-turned.Bounds().Dy())), turned, image.Point{}, draw.Over)
}

// between returns the colour at t, from 0 to 1, on the way from a to b.
func between(a, b color.RGBA, t float64) color.RGBA {
	mix := func(a, b uint8) uint8 { return uint8(float64(a) + t*(float64(b)-float64(a)) + 0.5) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}
