package backendtest

import "math"

// Winograd is an algorithm of minimal filtering for 3x3 convolutions by its matrices, from which
// the suite derives how exact it must be. In one dimension, with the inputs x of a tile, the kernel
// w and ⊙ the product element by element, summed over channels, or for dw over tiles and images,
//
//	y = Aᵀ·Σ (G·w) ⊙ (Bᵀ·x)    dw = Gᵀ·Σ (A·dy) ⊙ (Bᵀ·x)
//
// In two dimensions each matrix is applied to the columns and to the rows.
//
// Assume that inputs and rounding errors are independent. If the inputs have root mean square 1,
// row r of a matrix yields values of root mean square |r|, the row's length, and scales errors
// alike. So product i is |gᵢ||bᵢ| times as large as a product of the direct algorithm. If each
// product has the relative error e, y[k] has the error e·√(Σᵢ (aₖᵢ|gᵢ||bᵢ|)²), where 3 direct
// products would have e·√3. In two dimensions the ratio applies twice, so an error is at most e
// times
//
//	growth = maxₖ Σᵢ (aₖᵢ|gᵢ||bᵢ|)² / 3       of dw, for m outputs: maxₖ Σᵢ (gᵢₖ|aᵢ||bᵢ|)² / m
//
// times the root of the sum of squares of all direct products. e² is the number of roundings times
// u². Each transform sums, twice, at most as many values as a row has nonzero elements, and no
// partial sum is larger than the whole; the constants of G are rounded, too. In a sum of n
// products, partial sum p is √(p/n) times as large as the whole, which amounts to (n+1)/2
// roundings.
type Winograd struct {
	BT, G, AT [][]float64
}

// The algorithms of backends, written here again: with the matrices of a backend, its mistakes
// would come into the tolerance. F4 has the points 0, ±1, ½, −2 and ∞, F2 0, ±1 and ∞. Map2 is for
// images of 2x2 pixels. They have the growth 10.4, 1.7 and 2, of dw 8.5, 2 and 3.
var (
	F4 = &Winograd{
		BT: [][]float64{
			{1, -1.5, -2, 1.5, 1, 0},
			{0, -1, 0.5, 2.5, 1, 0},
			{0, 1, -2.5, 0.5, 1, 0},
			{0, -2, -1, 2, 1, 0},
			{0, 0.5, -1, -0.5, 1, 0},
			{0, 1, -1.5, -2, 1.5, 1},
		},
		G: [][]float64{
			{1, 0, 0},
			{1. / 3, 1. / 3, 1. / 3},
			{-1. / 3, 1. / 3, -1. / 3},
			{-16. / 15, -8. / 15, -4. / 15},
			{1. / 15, -2. / 15, 4. / 15},
			{0, 0, 1},
		},
		AT: [][]float64{
			{1, 1, 1, 1, 1, 0},
			{0, 1, -1, 0.5, -2, 0},
			{0, 1, 1, 0.25, 4, 0},
			{0, 1, -1, 0.125, -8, 1},
		},
	}
	F2 = &Winograd{
		BT: [][]float64{{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}},
		G:  [][]float64{{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}},
		AT: [][]float64{{1, 1, 1, 0}, {0, 1, -1, -1}},
	}
	Map2 = &Winograd{
		BT: [][]float64{{1, 1}, {0, 1}, {1, 0}},
		G:  [][]float64{{0, 1, 0}, {0, -1, 1}, {1, -1, 0}},
		AT: [][]float64{{1, 1, 0}, {1, 0, 1}},
	}
)

// tolerances returns those of the elements of a case's results.
func (w *Winograd) tolerances(c linearCase, in linearData) (y, dw, dx float64) {
	products := func(n int, a, b []float32) float64 { return float64(n) * meanSquare(a) * meanSquare(b) }
	taps, tiles, outputs := w.taps()*w.taps(), c.N*w.tiles(c.Window.Output(c.H, c.W)), len(w.AT)*len(w.AT)
	y = w.passError(c.In, math.Sqrt(products(taps*c.In, in.x, in.w)+meanSquare(in.b)))
	dw = w.filterError(tiles, math.Sqrt(products(outputs*tiles, in.x, in.dy)))
	dx = w.passError(c.Out, math.Sqrt(products(taps*c.Out, in.dy, in.w)))
	return y, dw, dx
}

// passError bounds the error of an element that is a sum over n channels, as the forward pass and
// that to the input make it; direct is the root of the sum of the squares of the products that the
// direct algorithm has. The factor 4 is that of sumError. The largest error of VGG's shapes is 0.69
// of the bound.
func (w *Winograd) passError(n int, direct float64) float64 {
	roundings := 2*(terms(w.BT)+terms(w.G)+1+terms(w.AT)) + (float64(n)+1)/2
	return 4 * unit * growth(w.AT, w.BT, w.G, w.taps()) * math.Sqrt(roundings) * direct
}

// filterError is passError for an element of the kernel's gradient, a sum over n tiles of images.
// There the largest error is 0.76 of the bound.
func (w *Winograd) filterError(n int, direct float64) float64 {
	a, gt := transposed(w.AT), transposed(w.G)
	roundings := 2*(terms(w.BT)+terms(a)+terms(gt)+1) + (float64(n)+1)/2
	return 4 * unit * growth(gt, w.BT, a, len(w.AT)) * math.Sqrt(roundings) * direct
}

// taps returns how many taps of a kernel's row an output sees: of an image of 2 pixels 2.
func (w *Winograd) taps() int { return min(3, len(w.BT[0])) }

// tiles returns the number of tiles of an image.
func (w *Winograd) tiles(height, width int) int {
	m := len(w.AT)
	return (height + m - 1) / m * ((width + m - 1) / m)
}

// growth is described at Winograd: out makes an element of what in1 and in2 made of inputs, where
// the direct algorithm sums this many products in one dimension.
func growth(out, in1, in2 [][]float64, products int) float64 {
	most := 0.0
	for _, row := range out {
		sum := 0.0
		for i, v := range row {
			sum += v * v * squares(in1[i]) * squares(in2[i])
		}
		most = max(most, sum)
	}
	return most / float64(products)
}

// squares returns the sum of the squares of x.
func squares(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return sum
}

// terms returns how many elements of a row of m are not zero, at most.
func terms(m [][]float64) float64 {
	most := 0
	for _, row := range m {
		n := 0
		for _, v := range row {
			if v != 0 {
				n++
			}
		}
		most = max(most, n)
	}
	return float64(most)
}

func transposed(m [][]float64) [][]float64 {
	t := make([][]float64, len(m[0]))
	for j := range t {
		for _, row := range m {
			t[j] = append(t[j], row[j])
		}
	}
	return t
}
