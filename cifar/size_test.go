package cifar

import (
	"context"
	"fmt"
	"image/color"
	"math"
	"testing"

	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// Images of any size are read, shifted by an eighth of each side, flipped and normalized.
func TestOtherSizes(t *testing.T) {
	const h, w = 24, 40
	files := map[string][]byte{}
	for i := range 6 {
		files[fmt.Sprintf("a/%d.png", i)] = picturetest.PNG(t, picturetest.Noise(50+i, 30))
		files[fmt.Sprintf("b/%d.png", i)] = picturetest.PNG(t, picturetest.Plain(7, 90+i, color.NRGBA{1, 2, uint8(i), 255}))
	}
	d, err := Open(context.Background(), writeFolder(t, files), Options{Height: h, Width: w, Resize: "crop"})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Train.Pixels) != d.Train.Len()*h*w*3 || len(d.Train.First(3).Pixels) != 3*h*w*3 {
		t.Fatalf("%d bytes for %d images", len(d.Train.Pixels), d.Train.Len())
	}
	for _, a := range []Augmentation{None, WholePixel, SubPixel} {
		l := d.Training(MeanOnly(), a, 3)
		if gotH, gotW, c := l.Shape(); gotH != h || gotW != w || c != 3 {
			t.Fatalf("shape (%d, %d, %d)", gotH, gotW, c)
		}
		plan, at := l.Plan(2), 0
		table := MeanOnly().tables()
		for images, labels := range l.Batches(2, 0, 4) {
			if len(images) != len(labels)*h*w*3 {
				t.Fatalf("%d values for %d images", len(images), len(labels))
			}
			for i := range labels {
				s := plan[at]
				at++
				if math.Abs(float64(s.TX)) > w/8 || math.Abs(float64(s.TY)) > h/8 {
					t.Errorf("%v: shift (%g, %g)", a, s.TX, s.TY)
				}
				normal := make([]float32, h*w*3)
				table.normalize(normal, d.Train.image(int(s.Index)))
				want := shift64(normal, h, w, 3, float64(s.TX), float64(s.TY), s.Flip)
				for j, got := range images[i*h*w*3:][:h*w*3] {
					if !(math.Abs(float64(got)-want[j]) <= 1e-3) {
						t.Fatalf("%v: value %d of image %d is %g, want %g", a, j, s.Index, got, want[j])
					}
				}
			}
		}
		if at != d.Train.Len() {
			t.Errorf("%v: %d images of %d", a, at, d.Train.Len())
		}
	}
	d, err = Open(context.Background(), BuiltIn, Options{Height: 64, Width: 48})
	checkError(t, d, err, "shapes has images of 32x32 pixels, not 64x48", "folder")
}
