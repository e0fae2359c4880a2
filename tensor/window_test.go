package tensor

import (
	"fmt"
	"math"
	"testing"
)

// positions returns at how many places a window fits along an axis, by trying them.
func positions(size, window, stride int) (n int) {
	for at := 0; at+window <= size; at += stride {
		n++
	}
	return n
}

// TestWindow compares the size of the output, and Keras's padding "same", with their meaning: the
// least padding that gives ⌈size/stride⌉ pixels, the larger half after the image.
func TestWindow(t *testing.T) {
	for size := 1; size <= 12; size++ {
		for window := 1; window <= 7; window++ {
			for stride := 1; stride <= 4; stride++ {
				w := Window{Height: window, Width: 1, StrideH: stride, StrideW: 1}
				if window <= size {
					if h, _ := w.Output(size, 1); h != positions(size, window, stride) {
						t.Errorf("valid: %d pixels, window %d, stride %d: output %d", size, window, stride, h)
					}
				}
				w = w.Same(size, 1)
				want := 0
				for positions(size+want, window, stride) < (size+stride-1)/stride {
					want++
				}
				if w.Top+w.Bottom != want || w.Bottom-w.Top != want%2 || w.Left != 0 || w.Right != 0 {
					t.Errorf("same: %d pixels, window %d, stride %d: %+v, want padding %d", size, window, stride, w, want)
				}
				if h, _ := w.Output(size, 1); h != (size+stride-1)/stride {
					t.Errorf("same: %d pixels, window %d, stride %d: output %d", size, window, stride, h)
				}
				w.Check(size, 1)
			}
		}
	}
}

func TestWindowCheck(t *testing.T) {
	good := Centered(3)
	for name, change := range map[string]func(*Window){
		"no height":                   func(w *Window) { w.Height = 0 },
		"no stride":                   func(w *Window) { w.StrideW = 0 },
		"negative padding":            func(w *Window) { w.Top = -1 },
		"padding of a whole window":   func(w *Window) { w.Left = 3 },
		"larger than the image":       func(w *Window) { *w = Square(9, 1) },
		"a width larger than the one": func(w *Window) { w.Width, w.Left, w.Right = 5, 0, 0 },
	} {
		w := good
		change(&w)
		if !panics(func() { w.Check(4, 4) }) {
			t.Errorf("%s: no panic", name)
		}
	}
	good.Check(4, 4)
	good.Bottom, good.Right = -1, -2 // pixels cut off
	good.Check(4, 4)
	if h, w := good.Output(4, 4); h != 2 || w != 1 {
		t.Errorf("output %dx%d, want 2x1", h, w)
	}
}

func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}

func TestFunctionCheck(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, f := range []Function{{}, Rectifier(), {Kind: ReLU, Alpha: 0.1, Max: 6, Threshold: 1}, {Kind: ELU, Alpha: 1}, {Kind: Mish}} {
		if err := f.Check(); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, f := range []Function{{Kind: "cube"}, {Kind: ReLU, Alpha: -1}, {Kind: ReLU, Max: 1, Threshold: 2}, {Kind: ELU, Alpha: inf}, {Kind: ReLU, Threshold: inf - inf}} {
		if f.Check() == nil {
			t.Errorf("%s: no error", fmt.Sprintf("%+v", f))
		}
	}
}
