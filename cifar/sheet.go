package cifar

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
)

// The sheet of [Loader.Sheet], in images and pixels.
const (
	SheetRows    = 5
	sheetColumns = 8
	sheetCell    = 96 // at most
	sheetGap     = 4
)

// Sheet draws what the network sees: a row for each of some images, first as it is, then as the
// first epochs show it. Small images are magnified, large ones scaled down. The error is of images in a
// file that cannot be read.
func (l *Loader) Sheet() (image.Image, error) {
	h, w := l.Images.size()
	size := max(h, w)
	cellH, cellW := max(h*sheetCell/size, 1), max(w*sheetCell/size, 1)
	if k := sheetCell / size; k > 1 {
		cellH, cellW = k*h, k*w
	}
	rows := min(SheetRows, l.Len())
	sheet := image.NewRGBA(image.Rect(0, 0,
		sheetColumns*(cellW+sheetGap)+2*sheetGap, rows*(cellH+sheetGap)+sheetGap))
	draw.Draw(sheet, sheet.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	tables, values := l.Normalization.tables(), make([]float32, l.Images.bytes())
	record := make([]byte, l.Images.bytes())
	for column := range sheetColumns {
		epoch, left := column-1, column*(cellW+sheetGap)+sheetGap
		if epoch != inOrder {
			left += sheetGap
		}
		c := newCanvas(l, tables, epoch)
		for row := range rows {
			i := row * l.Len() / rows
			pixels, err := l.Images.read(i, record)
			if err != nil {
				return nil, err
			}
			c.render(values, pixels, l.present(i, epoch))
			at := image.Pt(left, row*(cellH+sheetGap)+sheetGap)
			cell := image.Rectangle{at, at.Add(image.Pt(cellW, cellH))}
			shown := l.Normalization.picture(values, h, w)
			if sheetCell > size {
				draw.NearestNeighbor.Scale(sheet, cell, shown, shown.Bounds(), draw.Src, nil)
			} else {
				draw.CatmullRom.Scale(sheet, cell, shown, shown.Bounds(), draw.Src, nil)
			}
		}
	}
	return sheet, nil
}

// picture returns the image of shape (h, w, 3) that is normalized to values.
func (n Normalization) picture(values []float32, h, w int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, v := range values {
		c := i % Channels
		m.Pix[i/Channels*4+c] = byte(clamp(v*n.std(c)+n.Mean[c]) + 0.5)
	}
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
	return m
}
