package cifar

import (
	"image/color"
	"testing"
)

// A sheet has the stored pixels, magnified, then those of the first epochs, whatever the
// normalization.
func TestSheet(t *testing.T) {
	l := &Loader{Images: randomImages(11), Augmentation: Augmentation{Flip: true},
		Normalization: Normalization{Mean: [3]float32{120, 0, 7}, Std: [3]float32{50, 255, 0}}}
	m, err := l.Sheet()
	if err != nil {
		t.Fatal(err)
	}
	if size := m.Bounds().Size(); size.X != 8*(96+4)+8 || size.Y != 5*(96+4)+4 {
		t.Fatalf("a sheet of %v", size)
	}
	for row := range 5 {
		image := l.Images.image(row * 11 / 5)
		for column := range 8 {
			left := column*100 + 4
			if column > 0 {
				left += 4
			}
			flip := column > 0 && l.present(row*11/5, column-1).Flip
			for i := range Size * Size {
				y, x := i/Size, i%Size
				from := i
				if flip {
					from = y*Size + Size - 1 - x
				}
				p := image[from*Channels:]
				got := m.At(left+3*x+1, row*100+4+3*y+2)
				if got != (color.RGBA{p[0], p[1], p[2], 255}) {
					t.Fatalf("row %d, column %d: pixel %d, %d is %v, want %v", row, column, y, x, got, p[:3])
				}
			}
		}
	}
}

func TestSheetSizes(t *testing.T) {
	for _, c := range []struct{ n, h, w, wantX, wantY int }{
		{1, 1, 1, 8*100 + 8, 104},
		{2, 224, 512, 8*100 + 8, 2*(42+4) + 4},
		{9, 8, 12, 8*100 + 8, 5*(64+4) + 4},
		{9, 50, 40, 8*(76+4) + 8, 5*100 + 4},
		{0, 32, 32, 8*100 + 8, 4},
	} {
		images := Images{Labels: make([]int32, c.n), Height: c.h, Width: c.w}
		images.Pixels = make([]byte, c.n*images.bytes())
		l := &Loader{Images: images, Augmentation: SubPixel}
		sheet, err := l.Sheet()
		if err != nil {
			t.Fatal(err)
		}
		if size := sheet.Bounds().Size(); size.X != c.wantX || size.Y != c.wantY {
			t.Errorf("%d images of %dx%d: a sheet of %v, want %dx%d",
				c.n, c.h, c.w, size, c.wantX, c.wantY)
		}
	}
}
