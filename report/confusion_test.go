package report

import (
	"image"
	"image/color"
	"testing"
)

// TestConfusion draws matrices from the smallest to one too large for names, and looks for the
// colour of a cell.
func TestConfusion(t *testing.T) {
	for _, n := range []int{1, 2, 10, 100, 1000} {
		e := &Confusion{}
		for i := range n {
			e.Classes = append(e.Classes, "class")
			row := make([]int, n)
			row[n-1-i] = 7 // the other diagonal
			e.Counts = append(e.Counts, row)
		}
		m, err := e.draw()
		if err != nil {
			t.Fatal(err)
		}
		dark := image.Point{}
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				if m.At(x, y) == color.Color(all) {
					dark = image.Pt(x, y)
					break
				}
			}
			if dark != (image.Point{}) {
				break
			}
		}
		if right := dark.X > m.Bounds().Dx()/2; n >= 10 && !right {
			t.Errorf("%d classes: the first row is dark from %v on, want its last cell", n, dark)
		}
	}
}
