//go:build cudnn && cgo && linux

package cudnn

import (
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// TestRealLibraries fills every descriptor of the VGG networks' convolutions, and of some of other
// networks, with the real cuDNN, which needs no card for that, and compares its output sizes with
// ours. It looks for the libraries
// where programs do.
func TestRealLibraries(t *testing.T) {
	for _, precision := range Precisions() {
		b := newBackend(Options{Precision: precision})
		defer b.Close()
		if _, err := libcublas.load(b.api, locations(), 99); err != nil {
			t.Skip(err)
		}
		path, err := libcudnn.load(b.api, locations(), 99)
		if err != nil {
			t.Skip(err)
		}
		b.card = card{name: "none", major: 8}
		if err := b.checkVersion(path); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s in %s", path, precision)
		sizes := []int{32, 16, 8, 4, 2}
		channels := []int{3, 64, 128, 256, 512}
		for _, batch := range []int{1, 80, 128} {
			for _, size := range sizes {
				for _, in := range channels {
					for _, kernel := range []int{1, 3} {
						c := b.newConv2D(backend.Conv2DSpec{N: batch, H: size, W: size, In: in, Out: max(64, in), Window: tensor.Centered(kernel)})
						if err := new(pass).describe(b, c); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
		for _, size := range []int{32, 15} {
			for _, in := range []int{1, 3, 60, 64} {
				for _, kernel := range []int{1, 2, 3, 5, 7} {
					for stride := 1; stride <= 3; stride++ {
						win := tensor.Square(kernel, stride)
						padded := win
						padded.Top, padded.Bottom, padded.Left, padded.Right = kernel/2, kernel/2, kernel/2, kernel/2
						for _, w := range []tensor.Window{win, padded, win.Same(size, size)} {
							c := b.newConv2D(backend.Conv2DSpec{N: 2, H: size, W: size, In: in, Out: in + 6, Window: w})
							if err := new(pass).describe(b, c); err != nil {
								t.Fatal(err)
							}
						}
					}
				}
			}
		}
		if err := b.openCuDNN(); err == nil {
			t.Log("cudnnCreate succeeds: this machine has a card")
		} else {
			says(t, err, "cudnnCreate failed: ")
		}
		for _, free := range b.free {
			free()
		}
		b.free = nil
	}
}
