package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// eachNorm runs f at the given levels for matrices of many sizes, with and without a ReLU. All
// values are multiples of 1/8, so z is exact, and so is its comparison with the floor.
func eachNorm(t *testing.T, levels []Level,
	f func(t *testing.T, l Level, rows, cols int, n *NormGrad, rng *rand.Rand)) {
	for _, l := range levels {
		for _, cols := range []int{1, 7, 8, 9, 15, 16, 17, 64, 65} {
			for _, rows := range []int{0, 1, 2, 3, 7, 1500} {
				for _, floor := range []float32{0, float32(math.Inf(-1))} {
					t.Run(fmt.Sprintf("%v/%dx%d/%g", l, rows, cols, floor), func(t *testing.T) {
						rng := rand.New(rand.NewPCG(uint64(rows), uint64(cols)))
						n := Norm{Mean: grid(rng, cols), Scale: grid(rng, cols), Beta: grid(rng, cols), Floor: floor}
						f(t, l, rows, cols, &NormGrad{Norm: n, A: grid(rng, cols), B: grid(rng, cols)}, rng)
					})
				}
			}
		}
	}
}

// normReference computes all the kernels in float64, for a window of one block or four, at offsets
// at.
type normReference struct {
	y, sum, product []float64
	dx              map[int]float64
}

func newNormReference(x, dy []float32, at []int, n *NormGrad) normReference {
	cols := len(n.Mean)
	r := normReference{make([]float64, len(dy)), make([]float64, cols), make([]float64, cols), map[int]float64{}}
	for i := range dy {
		c := i % cols
		mean, scale, beta := float64(n.Mean[c]), float64(n.Scale[c]), float64(n.Beta[c])
		best, first := math.Inf(-1), 0
		for k, at := range at {
			if z := (float64(x[at+i])-mean)*scale + beta; z > best {
				best, first = z, k
			}
		}
		r.y[i] = max(best, float64(n.Floor))
		for k, at := range at {
			var g float64
			if k == first && best > float64(n.Floor) {
				g = float64(dy[i])
			}
			d := float64(x[at+i]) - mean
			r.sum[c] += g
			r.product[c] += g * d
			r.dx[at+i] = scale*g - float64(n.A[c]) - d*float64(n.B[c])
		}
	}
	return r
}

// grads returns what x becomes when the gradient is written to it.
func (r normReference) grads(x []float32) []float64 {
	dx := make([]float64, len(x))
	for i, v := range x {
		dx[i] = float64(v)
		if d, ok := r.dx[i]; ok {
			dx[i] = d
		}
	}
	return dx
}

func guardNorm(g *guards, n *NormGrad) *NormGrad {
	return &NormGrad{
		Norm: Norm{Mean: g.in(n.Mean), Scale: g.in(n.Scale), Beta: g.in(n.Beta), Floor: n.Floor},
		A:    g.in(n.A), B: g.in(n.B),
	}
}

func TestNorm(t *testing.T) {
	eachNorm(t, FloatLevels(), func(t *testing.T, l Level, rows, cols int, n *NormGrad, rng *rand.Rand) {
		x, dy := grid(rng, rows*cols), grid(rng, rows*cols)
		want := newNormReference(x, dy, []int{0}, n)
		var g guards
		gn := guardNorm(&g, n)
		y, yInPlace, dx, dxInPlace := g.out(len(x)), g.inOut(x), g.out(len(x)), g.inOut(x)
		sum, product := g.out(cols), g.out(cols)
		l.Normalize(y, g.in(x), &gn.Norm)
		l.Normalize(yInPlace, yInPlace, &gn.Norm)
		l.NormSums(sum, product, g.in(dy), g.in(x), &gn.Norm)
		l.NormGrad(dx, g.in(dy), g.in(x), gn)
		l.NormGrad(dxInPlace, g.in(dy), dxInPlace, gn)
		equal(t, "y", y, want.y)
		equal(t, "y in place", yInPlace, want.y)
		equal(t, "sum", sum, want.sum)
		equal(t, "product", product, want.product)
		equal(t, "dx", dx, want.grads(x))
		equal(t, "dx in place", dxInPlace, want.grads(x))
		g.check(t)
	})
}

func TestNormPool(t *testing.T) {
	eachNorm(t, FloatLevels(), func(t *testing.T, l Level, rows, cols int, n *NormGrad, rng *rand.Rand) {
		w, size, at := spread(rows * cols)
		x, dy := grid(rng, size), grid(rng, rows*cols)
		want := newNormReference(x, dy, at[:], n)
		var g guards
		gn := guardNorm(&g, n)
		y, dx, dxInPlace := g.out(len(dy)), g.out(size), g.inOut(x)
		sum, product := g.out(cols), g.out(cols)
		l.NormalizePool(y, g.in(x), w, &gn.Norm)
		l.NormPoolSums(sum, product, g.in(dy), g.in(x), w, &gn.Norm)
		for i := range dx {
			dx[i] = guardValue
		}
		outside := append([]float32(nil), dx...)
		l.NormPoolGrad(dx, g.in(dy), g.in(x), w, gn)
		l.NormPoolGrad(dxInPlace, g.in(dy), dxInPlace, w, gn)
		equal(t, "y", y, want.y)
		equal(t, "sum", sum, want.sum)
		equal(t, "product", product, want.product)
		equal(t, "dx", dx, want.grads(outside))
		equal(t, "dx in place", dxInPlace, want.grads(x))
		g.check(t)
	})
}

func TestColumnSums(t *testing.T) {
	eachNorm(t, FloatLevels(), func(t *testing.T, l Level, rows, cols int, _ *NormGrad, rng *rand.Rand) {
		x, pivot := grid(rng, rows*cols), grid(rng, cols)
		sum, squares := make([]float64, cols), make([]float64, cols)
		for i, v := range x {
			d := float64(v) - float64(pivot[i%cols])
			sum[i%cols] += d
			squares[i%cols] += d * d
		}
		var g guards
		gotSum, gotSquares := g.out(cols), g.out(cols)
		l.ColumnSums(gotSum, gotSquares, g.in(x), g.in(pivot))
		equal(t, "sum", gotSum, sum)
		equal(t, "squares", gotSquares, squares)
		g.check(t)
	})
}

// Statistics by blocks must be right when the mean is large compared to the deviation, and exact
// for a column of equal values.
func TestMoments(t *testing.T) {
	const rows, cols, block = 5000, 11, 512
	rng := rand.New(rand.NewPCG(5, 6))
	for _, l := range FloatLevels() {
		for _, offset := range []float64{0, 100, -1e4} {
			x := make([]float32, rows*cols)
			for i := range x {
				x[i] = float32(offset + rng.NormFloat64())
				if i%cols == 3 {
					x[i] = float32(offset + 0.1)
				}
			}
			m := Moments{Mean: make([]float64, cols), M2: make([]float64, cols)}
			sum, squares := make([]float32, cols), make([]float32, cols)
			for from := 0; from < rows; from += block {
				block := x[from*cols : min(rows, from+block)*cols]
				l.ColumnSums(sum, squares, block, block[:cols])
				m.Add(len(block)/cols, sum, squares, block[:cols])
			}
			for c := range cols {
				var mean, m2 float64
				for i := c; i < len(x); i += cols {
					mean += float64(x[i]) / rows
				}
				for i := c; i < len(x); i += cols {
					m2 += (float64(x[i]) - mean) * (float64(x[i]) - mean)
				}
				if c == 3 && (float32(m.Mean[c]) != x[c] || !(m.M2[c] <= 1e-15*offset*offset*rows)) {
					t.Errorf("%v: column of %g: mean %v, squared deviations %g", l, x[c], m.Mean[c], m.M2[c])
				}
				// The pivot is a few deviations from the mean, so the sum over a block has terms
				// of about 3 with a rounding error of block·2⁻²⁴ each at most.
				if d := math.Abs(m.Mean[c] - mean); !(d <= 3*block*0x1p-24) {
					t.Errorf("%v: offset %g, column %d: mean %v, want %v", l, offset, c, m.Mean[c], mean)
				}
				if d := math.Abs(m.M2[c] - m2); !(d <= 9*block*0x1p-24*rows) {
					t.Errorf("%v: offset %g, column %d: squared deviations %v, want %v", l, offset, c, m.M2[c], m2)
				}
			}
		}
	}
}
