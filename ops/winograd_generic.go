package ops

// matrix is a matrix of at most 6 by 6 elements; the others are 0.
type matrix [6][6]float32

// matrix returns the matrix of a transform: sides(k) of from columns and to rows.
func (w Winograd) matrix(k transform) matrix {
	bt, g, at := w.matrices()
	switch k {
	case toInput:
		return bt
	case toOutput:
		return at
	case toGradient:
		return transposed(at)
	case toKernel:
		return g
	}
	return transposed(g)
}

// matrices returns Bᵀ, G and Aᵀ.
func (w Winograd) matrices() (bt, g, at matrix) {
	switch w {
	case F4:
		return matrix{
				{1, -1.5, -2, 1.5, 1, 0},
				{0, -1, 0.5, 2.5, 1, 0},
				{0, 1, -2.5, 0.5, 1, 0},
				{0, -2, -1, 2, 1, 0},
				{0, 0.5, -1, -0.5, 1, 0},
				{0, 1, -1.5, -2, 1.5, 1},
			}, matrix{
				{1, 0, 0},
				{1. / 3, 1. / 3, 1. / 3},
				{-1. / 3, 1. / 3, -1. / 3},
				{-16. / 15, -8. / 15, -4. / 15},
				{1. / 15, -2. / 15, 4. / 15},
				{0, 0, 1},
			}, matrix{
				{1, 1, 1, 1, 1, 0},
				{0, 1, -1, 0.5, -2, 0},
				{0, 1, 1, 0.25, 4, 0},
				{0, 1, -1, 0.125, -8, 1},
			}
	case F2:
		return matrix{
				{1, 0, -1, 0},
				{0, 1, 1, 0},
				{0, -1, 1, 0},
				{0, 1, 0, -1},
			}, matrix{
				{1, 0, 0},
				{0.5, 0.5, 0.5},
				{0.5, -0.5, 0.5},
				{0, 0, 1},
			}, matrix{
				{1, 1, 1, 0},
				{0, 1, -1, -1},
			}
	}
	return matrix{{1, 1}, {0, 1}, {1, 0}},
		matrix{{0, 1, 0}, {0, -1, 1}, {1, -1, 0}},
		matrix{{1, 1, 0}, {1, 0, 1}}
}

func transposed(m matrix) (t matrix) {
	for i := range m {
		for j := range m {
			t[j][i] = m[i][j]
		}
	}
	return t
}

// applyGeneric is apply in Go: matrix · src · matrixᵀ for each element.
func applyGeneric(w Winograd, k transform, dst, src *planes, rows, n, dstStep, srcStep int,
	floor float32) {
	m := w.matrix(k)
	from, to := w.sides(k)
	var tmp [36]float32
	for r := range rows {
		for i := range n {
			for a := range to {
				for c := range from {
					var sum float32
					for b := range from {
						sum += m[a][b] * src[b*from+c][r*srcStep+i]
					}
					tmp[a*from+c] = sum
				}
			}
			for a := range to {
				for c := range to {
					var sum float32
					for b := range from {
						sum += m[c][b] * tmp[a*from+b]
					}
					if k == toOutput {
						sum = max(floor, sum)
					}
					dst[a*to+c][r*dstStep+i] = sum
				}
			}
		}
	}
}
