//go:build !noasm

package ops

//go:generate go tool asm2plan9s batchnorm_bf16_amd64.s
//go:generate go tool asm2plan9s batchnorm_pool_bf16_amd64.s

// Each kernel is in its .s file. The methods call them for pieces and return false if the level or the
// number of columns has none.

//go:noescape
func columnSumsBF16AVX512(sum, squares *float32, x *BF16, pivot *float32, rows, cols int)

//go:noescape
func normalizeBF16AVX512(y, x *BF16, mean, scale, beta *float32, rows, cols int, floor float32)

//go:noescape
func normSumsBF16AVX512(sum, product *float32, dy, x *BF16, mean, scale, beta *float32, rows, cols int, floor float32)

//go:noescape
func normGradBF16AVX512(dx, dy, x *BF16, mean, scale, beta, a, b *float32, rows, cols int, floor float32)

//go:noescape
func normalizePoolBF16AVX512(y, x0, x1, x2, x3 *BF16, mean, scale, beta *float32, rows, cols int, floor float32)

//go:noescape
func normPoolSumsBF16AVX512(sum, product *float32, dy, x0, x1, x2, x3 *BF16, mean, scale, beta *float32, rows, cols int, floor float32)

//go:noescape
func normPoolGradBF16AVX512(dx0, dy, x0, x1, x2, x3 *BF16, mean, scale, beta, a, b *float32, rows, cols int, floor float32)

// eachPieceBF16 calls f for pieces of so many numbers in rows of cols, with where each begins and its rows; or returns false if
// there is no kernel for the level or the number of columns.
func (l Level) eachPieceBF16(size, cols int, f func(from, rows int)) bool {
	if l < AVX512BF16 || cols%16 != 0 {
		return false
	}
	piece := max(1, pieceSize/cols) * cols
	for from := 0; from < size; from += piece {
		f(from, min(piece, size-from)/cols)
	}
	return true
}

func (l Level) columnSumsBF16Wide(sum, squares []float32, x []BF16, pivot []float32) bool {
	clear(sum)
	clear(squares)
	cols := len(pivot)
	return l.eachPieceBF16(len(x), cols, func(i, rows int) {
		columnSumsBF16AVX512(&sum[0], &squares[0], &x[i], &pivot[0], rows, cols)
	})
}

func (l Level) normalizeBF16Wide(y, x []BF16, n *Norm) bool {
	cols := len(n.Mean)
	return l.eachPieceBF16(len(x), cols, func(i, rows int) {
		normalizeBF16AVX512(&y[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0], rows, cols, n.Floor)
	})
}

func (l Level) normSumsBF16Wide(sum, product []float32, dy, x []BF16, n *Norm) bool {
	clear(sum)
	clear(product)
	cols := len(n.Mean)
	return l.eachPieceBF16(len(x), cols, func(i, rows int) {
		normSumsBF16AVX512(&sum[0], &product[0], &dy[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0], rows, cols, n.Floor)
	})
}

func (l Level) normGradBF16Wide(dx, dy, x []BF16, n *NormGrad) bool {
	cols := len(n.Mean)
	return l.eachPieceBF16(len(x), cols, func(i, rows int) {
		normGradBF16AVX512(&dx[i], &dy[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0], &n.A[0], &n.B[0], rows, cols, n.Floor)
	})
}

func (l Level) normalizePoolBF16Wide(y, x []BF16, w Window, n *Norm) bool {
	cols, b := len(n.Mean), windowBlocks(w, x, len(y))
	return l.eachPieceBF16(len(y), cols, func(i, rows int) {
		normalizePoolBF16AVX512(&y[i], &b[0][i], &b[1][i], &b[2][i], &b[3][i], &n.Mean[0], &n.Scale[0], &n.Beta[0], rows, cols, n.Floor)
	})
}

func (l Level) normPoolSumsBF16Wide(sum, product []float32, dy, x []BF16, w Window, n *Norm) bool {
	clear(sum)
	clear(product)
	cols, b := len(n.Mean), windowBlocks(w, x, len(dy))
	return l.eachPieceBF16(len(dy), cols, func(i, rows int) {
		normPoolSumsBF16AVX512(&sum[0], &product[0], &dy[i], &b[0][i], &b[1][i], &b[2][i], &b[3][i],
			&n.Mean[0], &n.Scale[0], &n.Beta[0], rows, cols, n.Floor)
	})
}

func (l Level) normPoolGradBF16Wide(dx, dy, x []BF16, w Window, n *NormGrad) bool {
	cols, b, d := len(n.Mean), windowBlocks(w, x, len(dy)), windowBlocks(w, dx, len(dy))
	return l.eachPieceBF16(len(dy), cols, func(i, rows int) {
		normPoolGradBF16AVX512(&d[0][i], &dy[i], &b[0][i], &b[1][i], &b[2][i], &b[3][i],
			&n.Mean[0], &n.Scale[0], &n.Beta[0], &n.A[0], &n.B[0], rows, cols, n.Floor)
	})
}
