package ops

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// gridBF16 returns multiples of 1/8 as grid does; bf16 represents all of them.
func gridBF16(rng *rand.Rand, n int) []BF16 {
	x := make([]BF16, n)
	Generic.RoundBF16(x, grid(rng, n))
	return x
}

func widened(x []BF16) []float32 {
	y := make([]float32, len(x))
	Generic.WidenBF16(y, x)
	return y
}

// equalBF16 compares got with want, which is exact, rounded.
func equalBF16(t *testing.T, what string, got []BF16, want []float64) {
	t.Helper()
	for i := range got {
		if rounded := roundBF16(float32(want[i])); got[i] != rounded && got[i].Float32() != rounded.Float32() {
			t.Fatalf("%s: element %d is %g, want %g", what, i, got[i].Float32(), want[i])
		}
	}
}

func TestNormBF16(t *testing.T) {
	eachNorm(t, Levels(), func(t *testing.T, l Level, rows, cols int, n *NormGrad, rng *rand.Rand) {
		size := rows * cols
		x, dy := gridBF16(rng, size), gridBF16(rng, size)
		want := newNormReference(widened(x), widened(dy), []int{0}, n)
		var g guards
		gn := guardNorm(&g, n)
		y, checkY := guardedBF16(t, size)
		dx, checkDX := guardedBF16(t, size)
		inPlace, checkInPlace := guardedBF16(t, size)
		copy(inPlace, x)
		sum, product, tmp := g.out(cols), g.out(cols), g.out(2*size)
		l.NormalizeBF16(y, x, &gn.Norm, tmp)
		l.NormSumsBF16(sum, product, dy, x, &gn.Norm, tmp)
		l.NormGradBF16(dx, dy, x, gn, tmp)
		l.NormGradBF16(inPlace, dy, inPlace, gn, tmp)
		equalBF16(t, "y", y, want.y)
		equal(t, "sum", sum, want.sum)
		equal(t, "product", product, want.product)
		equalBF16(t, "dx", dx, want.grads(widened(x)))
		equalBF16(t, "dx in place", inPlace, want.grads(widened(x)))
		g.check(t)
		checkY()
		checkDX()
		checkInPlace()
	})
}

func TestNormPoolBF16(t *testing.T) {
	eachNorm(t, Levels(), func(t *testing.T, l Level, rows, cols int, n *NormGrad, rng *rand.Rand) {
		w, size, at := spread(rows * cols)
		x, dy := gridBF16(rng, size), gridBF16(rng, rows*cols)
		want := newNormReference(widened(x), widened(dy), at[:], n)
		var g guards
		gn := guardNorm(&g, n)
		y, checkY := guardedBF16(t, len(dy))
		inPlace, checkInPlace := guardedBF16(t, size)
		copy(inPlace, x)
		dx := slices.Clone(x) // also shows what is written between the blocks
		sum, product, tmp := g.out(cols), g.out(cols), g.out(5*len(dy))
		l.NormalizePoolBF16(y, x, w, &gn.Norm, tmp)
		l.NormPoolSumsBF16(sum, product, dy, x, w, &gn.Norm, tmp)
		l.NormPoolGradBF16(dx, dy, x, w, gn, tmp)
		l.NormPoolGradBF16(inPlace, dy, inPlace, w, gn, tmp)
		equalBF16(t, "y", y, want.y)
		equal(t, "sum", sum, want.sum)
		equal(t, "product", product, want.product)
		equalBF16(t, "dx", dx, want.grads(widened(x)))
		equalBF16(t, "dx in place", inPlace, want.grads(widened(x)))
		g.check(t)
		checkY()
		checkInPlace()
	})
}

func TestColumnSumsBF16(t *testing.T) {
	eachNorm(t, Levels(), func(t *testing.T, l Level, rows, cols int, _ *NormGrad, rng *rand.Rand) {
		x, pivot := gridBF16(rng, rows*cols), grid(rng, cols)
		sum, squares := make([]float64, cols), make([]float64, cols)
		for i, v := range x {
			d := float64(v.Float32()) - float64(pivot[i%cols])
			sum[i%cols] += d
			squares[i%cols] += d * d
		}
		var g guards
		gotSum, gotSquares := g.out(cols), g.out(cols)
		l.ColumnSumsBF16(gotSum, gotSquares, x, g.in(pivot), g.out(rows*cols))
		equal(t, "sum", gotSum, sum)
		equal(t, "squares", gotSquares, squares)
		g.check(t)
	})
}

// Where results are rounded, the kernels must give the same bits as the float32 kernels of the same
// level followed by RoundBF16: sums are added in the same order.
func TestNormBF16IsRounded(t *testing.T) {
	const rows, cols = 37, 48
	rng := rand.New(rand.NewPCG(9, 10))
	for _, l := range Levels() {
		x, dy := randomBF16(rng, 4*rows*cols), randomBF16(rng, rows*cols)
		n := &NormGrad{
			Norm: Norm{Mean: random(rng, cols), Scale: random(rng, cols), Beta: random(rng, cols)},
			A:    random(rng, cols), B: random(rng, cols),
		}
		w := Window2x2{rows * cols, 2 * rows * cols}
		tmp := make([]float32, 5*rows*cols)
		same := func(what string, got []BF16, want []float32) {
			t.Helper()
			rounded := make([]BF16, len(want))
			Generic.RoundBF16(rounded, want)
			if !slices.Equal(got, rounded) {
				t.Errorf("%v: %s differs", l, what)
			}
		}
		wide, grad := widened(x), widened(dy)
		y, want := make([]BF16, 4*rows*cols), make([]float32, 4*rows*cols)
		l.NormalizeBF16(y, x, &n.Norm, tmp)
		l.Normalize(want, wide, &n.Norm)
		same("Normalize", y, want)
		l.NormGradBF16(y[:len(dy)], dy, x[:len(dy)], n, tmp)
		l.NormGrad(want[:len(dy)], grad, wide[:len(dy)], n)
		same("NormGrad", y, want)
		l.NormalizePoolBF16(y[:len(dy)], x, w, &n.Norm, tmp)
		l.NormalizePool(want[:len(dy)], wide, w, &n.Norm)
		same("NormalizePool", y, want)
		l.NormPoolGradBF16(y, dy, x, w, n, tmp)
		l.NormPoolGrad(want, grad, wide, w, n)
		same("NormPoolGrad", y, want)
		var sums [6][]float32
		for i := range sums {
			sums[i] = make([]float32, cols)
		}
		equalSums := func(what string, got, want []float32) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%v: %s differ", l, what)
			}
		}
		for _, f := range []struct {
			name       string
			bf16, wide func(a, b []float32)
		}{
			{"ColumnSums",
				func(a, b []float32) { l.ColumnSumsBF16(a, b, x, n.Mean, tmp) },
				func(a, b []float32) { l.ColumnSums(a, b, wide, n.Mean) }},
			{"NormSums",
				func(a, b []float32) { l.NormSumsBF16(a, b, dy, x[:len(dy)], &n.Norm, tmp) },
				func(a, b []float32) { l.NormSums(a, b, grad, wide[:len(dy)], &n.Norm) }},
			{"NormPoolSums",
				func(a, b []float32) { l.NormPoolSumsBF16(a, b, dy, x, w, &n.Norm, tmp) },
				func(a, b []float32) { l.NormPoolSums(a, b, grad, wide, w, &n.Norm) }},
		} {
			f.bf16(sums[0], sums[1])
			f.wide(sums[2], sums[3])
			equalSums(f.name, sums[0], sums[2])
			equalSums(f.name, sums[1], sums[3])
		}
	}
}

// A NaN in any lane and block must reach the output.
func TestNaNPassesBF16(t *testing.T) {
	const n = 32
	norm := &Norm{Mean: make([]float32, n), Scale: make([]float32, n), Beta: make([]float32, n)}
	w, size, at := spread(n)
	ones := slices.Repeat([]BF16{0x3f80}, n)
	tmp := make([]float32, 5*n)
	for _, l := range Levels() {
		for i := range n {
			for k := range at {
				x, y, dx := make([]BF16, size), make([]BF16, n), make([]BF16, size)
				x[at[k]+i] = BF16(math.Float32bits(float32(math.NaN())) >> 16)
				check := func(what string, y []BF16) {
					t.Helper()
					for j, v := range widened(y[:n]) {
						if isNaN := v != v; isNaN != (i == j) {
							t.Errorf("%v: %s of NaN at %d in block %d: element %d is %g", l, what, i, k, j, v)
						}
					}
				}
				grad := &NormGrad{Norm: *norm, A: norm.Beta, B: norm.Beta}
				l.MaxPoolBF16(y, x, w)
				check("MaxPool", y)
				l.NormalizePoolBF16(y, x, w, norm, tmp)
				check("NormalizePool", y)
				l.NormalizeBF16(y, x[at[k]:][:n], norm, tmp)
				check("Normalize", y)
				l.NormGradBF16(y, ones, x[at[k]:][:n], grad, tmp)
				check("NormGrad", y)
				l.NormPoolGradBF16(dx, ones, x, w, grad, tmp)
				check("NormPoolGrad", dx[at[k]:])
			}
		}
	}
}
