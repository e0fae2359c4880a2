package nn

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"sync"

	"gonum.org/v1/gonum/mat"

	"github.com/lamina-go/lamina/tensor"
)

const (
	whitenImages  = 5000 // of the training set, the first
	whitenEpsilon = 5e-4 // added to the variances
)

// Whitening returns the kernel (height, width, c, 2·height·width·c) of filters that make patches of
// the images (N, h, w, c) white: each eigenvector of the patches' second moments, divided by the
// root of its eigenvalue plus 0.0005, the largest eigenvalue first, then the negatives of all
// (https://arxiv.org/abs/2404.00498, section 3.2).
func Whitening(images []float32, shape tensor.Shape, height, width int) ([]float32, error) {
	h, w, c := shape[0], shape[1], shape[2]
	n := height * width * c
	const block = 100 // images; how many does not depend on the number of cores
	count := len(images) / shape.Size()
	sums := make([]*mat.SymDense, (count+block-1)/block)
	var all sync.WaitGroup
	for b := range sums {
		all.Go(func() {
			moments, patch := make([]float64, n*n), make([]float64, n)
			for i := b * block; i < min((b+1)*block, count); i++ {
				image := images[i*shape.Size():][:shape.Size()]
				for y := range h - height + 1 {
					for x := range w - width + 1 {
						for row := range height {
							for j, v := range image[((y+row)*w+x)*c:][:width*c] {
								patch[row*width*c+j] = float64(v)
							}
						}
						for j, v := range patch {
							for k := j; k < n; k++ {
								moments[j*n+k] += v * patch[k]
							}
						}
					}
				}
			}
			sums[b] = mat.NewSymDense(n, moments)
		})
	}
	all.Wait()
	total := mat.NewSymDense(n, nil)
	for _, s := range sums {
		total.AddSym(total, s)
	}
	total.ScaleSym(1/float64(count*(h-height+1)*(w-width+1)), total)
	var eigen mat.EigenSym
	if !eigen.Factorize(total, true) {
		return nil, errors.New("nn: the patches of the images have no eigenvectors: are all pixels finite?")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	kernel := make([]float32, n*2*n)
	for i, value := range eigen.Values(nil) { // in ascending order
		filter, scale := n-1-i, 1/math.Sqrt(max(0, value)+whitenEpsilon)
		for row := range n {
			v := float32(scale * vectors.At(row, i))
			kernel[row*2*n+filter], kernel[row*2*n+n+filter] = v, -v
		}
	}
	return kernel, nil
}

// whiten sets the kernel of a convolution of the images to filters that make patches of the data
// white. The lock is held.
func (m *Model) whiten(layer string, data Data) error {
	i := m.row(layer)
	if i < 0 {
		return fmt.Errorf("nn: there is no layer %q to whiten the images", layer)
	}
	conv, ok := m.Table[i].Layer.(Conv2D)
	width := cmp.Or(conv.KernelWidth, conv.Kernel)
	if filters := 2 * conv.Kernel * width * m.Input[2]; !ok || m.Table[i].Inputs[0] != imagesRow || conv.Filters != filters {
		return fmt.Errorf("nn: layer %q cannot whiten the images: it must be a convolution of the images, with twice as many filters as a patch has values",
			layer)
	}
	for images := range data.Batches(InOrder, 0, min(whitenImages, data.Len())) {
		kernel, err := Whitening(images, m.Input, conv.Kernel, width)
		if err != nil {
			return err
		}
		w := m.Table[i].Weights[0]
		return m.write(m.flat(w), w.Offset, kernel)
	}
	return dataErr(data)
}
