package backendtest

import (
	"fmt"
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// windowCase is a window on images of one size.
type windowCase struct {
	h, w int
	win  tensor.Window
}

func (c windowCase) String() string {
	win := c.win
	return fmt.Sprintf("h%d_w%d_window%dx%d_stride%dx%d_pad%d,%d,%d,%d", c.h, c.w, win.Height, win.Width,
		win.StrideH, win.StrideW, win.Top, win.Bottom, win.Left, win.Right)
}

// windowSweep returns windows of every size and stride, valid and same, on odd and even images,
// and windows of whole images.
func windowSweep() (cases []windowCase) {
	images := [...][2]int{{7, 7}, {8, 9}, {12, 8}, {9, 10}, {7, 13}}
	for _, size := range [...][2]int{{1, 1}, {2, 2}, {3, 3}, {5, 5}, {7, 7}, {1, 3}, {3, 2}, {2, 5}} {
		for _, stride := range [...][2]int{{1, 1}, {2, 2}, {3, 3}, {1, 2}} {
			image := images[len(cases)%len(images)]
			win := tensor.Window{Height: size[0], Width: size[1], StrideH: stride[0], StrideW: stride[1]}
			cases = append(cases, windowCase{image[0], image[1], win},
				windowCase{image[0], image[1], win.Same(image[0], image[1])})
		}
	}
	whole := func(h, w int) windowCase {
		return windowCase{h, w, tensor.Window{Height: h, Width: w, StrideH: h, StrideW: w}}
	}
	return append(cases, whole(1, 1), whole(4, 4), whole(7, 5), whole(16, 16),
		windowCase{1, 1, tensor.Centered(3)}, windowCase{2, 2, tensor.Centered(3)}, windowCase{2, 1, tensor.Centered(5)},
		windowCase{4, 4, tensor.Window{Height: 3, Width: 3, StrideH: 2, StrideW: 2, Top: 1, Bottom: 1, Left: 1, Right: 1}},
		windowCase{7, 6, tensor.Window{Height: 3, Width: 2, StrideH: 1, StrideW: 2, Top: 1, Bottom: -1, Right: -2}})
}

// Channels and batches of windows: one channel, fewer than fill a register, and pixels that are
// divided among jobs.
var (
	windowChannels = [...]int{1, 3, 8, 17, 24, 32, 65}
	windowBatches  = [...]int{1, 2, 5, 16, 20}
)

// windowShape returns the shape of the images of case number i.
func (c windowCase) shape(i int) tensor.Shape {
	return tensor.Shape{windowBatches[i%len(windowBatches)], c.h, c.w, windowChannels[i%len(windowChannels)]}
}

func (s *suite) pools() {
	kinds := [...]backend.PoolKind{backend.MaxPool, backend.SharedMaxPool, backend.AveragePool}
	names := [...]string{"max", "shared", "average"}
	for i, c := range windowSweep() {
		for k, kind := range kinds {
			spec := backend.PoolSpec{Shape: c.shape(i + k), Window: c.win, Kind: kind}
			s.run(fmt.Sprintf("%s_%v_%v", names[k], c, spec.Shape), func(s *suite) { s.poolCase(spec, i%2 == 0) })
		}
	}
	for k, kind := range kinds { // pixels of several jobs
		shape := tensor.Shape{64, 5, 4, 520}
		s.run(names[k]+"_large", func(s *suite) {
			s.poolCase(backend.PoolSpec{Shape: shape, Window: tensor.Centered(3), Kind: kind}, true)
		})
	}
}

// poolCase checks a pool against the reference, for values with ties.
func (s *suite) poolCase(spec backend.PoolSpec, inPlace bool) {
	d, ref := s.device(), s.reference()
	xs, ys := spec.Shape, windowOutput(spec.Shape, spec.Window)
	x, dy := s.normal(xs.Size(), 1), rounded(d, s.normal(ys.Size(), 1), ys)
	for i, v := range x[:len(x)/2] {
		x[i] = float32(math.Round(float64(v)))
	}
	x = rounded(d, x, xs)
	passes := func(d *device, dy []float32) (y, dx []float32) {
		plan, err := d.Pool(spec)
		return activationPasses(d, must(d, plan, err), xs, ys, 0, x, dy, inPlace)
	}
	y, dx := passes(d, dy)
	wantY, wantDx := passes(ref, dy)
	_, sums := passes(ref, absolute(dy)) // of the values that are added up for each element of dx
	taps := spec.Window.Taps()
	if spec.Kind == backend.AveragePool {
		mean, _ := s.meanOf(ref, spec, absolute(x))
		near(s.T, "y", y, wantY, func(i int) float64 {
			return sumError(taps+2)*float64(mean[i]) + s.Unit*math.Abs(float64(wantY[i]))
		})
	} else {
		near(s.T, "y", y, wantY, exact)
	}
	near(s.T, "dx", dx, wantDx, func(i int) float64 {
		if spec.Kind == backend.MaxPool && spec.Window.StrideH >= spec.Window.Height && spec.Window.StrideW >= spec.Window.Width {
			return 0 // elements of dy are moved
		}
		return sumError(taps+2)*float64(sums[i]) + s.Unit*math.Abs(float64(wantDx[i]))
	})
}

// meanOf returns the y of a pool of x by the reference.
func (s *suite) meanOf(ref *device, spec backend.PoolSpec, x []float32) (y, dx []float32) {
	ys := windowOutput(spec.Shape, spec.Window)
	plan, err := ref.Pool(spec)
	return activationPasses(ref, must(ref, plan, err), spec.Shape, ys, 0, x, make([]float32, ys.Size()), false)
}

func (s *suite) pad() {
	for i, spec := range []backend.PadSpec{
		{Top: 1, Bottom: 1, Left: 1, Right: 1}, {Bottom: 1, Right: 1}, {Top: 3, Left: 2}, {}, {Left: 4}, {Bottom: 2},
	} {
		for _, image := range imageSweep {
			spec.Shape = windowCase{h: image[0], w: image[1]}.shape(i + image[0])
			n, h, w, c := spec.Shape.NHWC()
			ys := tensor.Shape{n, spec.Top + h + spec.Bottom, spec.Left + w + spec.Right, c}
			open := func(b backend.Backend) (backend.Activation, error) { return b.Pad(spec) }
			s.activationCase(fmt.Sprintf("pad_%d,%d,%d,%d", spec.Top, spec.Bottom, spec.Left, spec.Right), open,
				spec.Shape, ys, s.normal(spec.Shape.Size(), 1))
		}
	}
}
