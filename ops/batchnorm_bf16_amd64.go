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

// bf16Piece returns the size of a piece, 0 if there is no kernel for so many columns.
func (l Level) bf16Piece(cols int) int {
	if l < AVX512BF16 || cols%16 != 0 {
		return 0
	}
	return max(1, pieceSize/cols) * cols
}

func (l Level) columnSumsBF16Wide(sum, squares []float32, x []BF16, pivot []float32) bool {
	cols := len(pivot)
	piece := l.bf16Piece(cols)
	if piece == 0 {
		return false
	}
	clear(sum)
	clear(squares)
	for i := 0; i < len(x); i += piece {
		columnSumsBF16AVX512(&sum[0], &squares[0], &x[i], &pivot[0], min(piece, len(x)-i)/cols, cols)
	}
	return true
}

func (l Level) normalizeBF16Wide(y, x []BF16, n *Norm) bool {
	cols := len(n.Mean)
	piece := l.bf16Piece(cols)
	if piece == 0 {
		return false
	}
	for i := 0; i < len(x); i += piece {
		normalizeBF16AVX512(&y[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0], min(piece, len(x)-i)/cols, cols, n.Floor)
	}
	return true
}

func (l Level) normSumsBF16Wide(sum, product []float32, dy, x []BF16, n *Norm) bool {
	cols := len(n.Mean)
	piece := l.bf16Piece(cols)
	if piece == 0 {
		return false
	}
	clear(sum)
	clear(product)
	for i := 0; i < len(x); i += piece {
		normSumsBF16AVX512(&sum[0], &product[0], &dy[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0],
			min(piece, len(x)-i)/cols, cols, n.Floor)
	}
	return true
}

func (l Level) normGradBF16Wide(dx, dy, x []BF16, n *NormGrad) bool {
	cols := len(n.Mean)
	piece := l.bf16Piece(cols)
	if piece == 0 {
		return false
	}
	for i := 0; i < len(x); i += piece {
		normGradBF16AVX512(&dx[i], &dy[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0], &n.A[0], &n.B[0],
			min(piece, len(x)-i)/cols, cols, n.Floor)
	}
	return true
}

func (l Level) normalizePoolBF16Wide(y, x []BF16, w Window, n *Norm) bool {
	cols := len(n.Mean)
	piece := l.bf16Piece(cols)
	if piece == 0 {
		return false
	}
	b := windowBlocks(w, x, len(y))
	for i := 0; i < len(y); i += piece {
		normalizePoolBF16AVX512(&y[i], &b[0][i], &b[1][i], &b[2][i], &b[3][i], &n.Mean[0], &n.Scale[0], &n.Beta[0],
			min(piece, len(y)-i)/cols, cols, n.Floor)
	}
	return true
}

func (l Level) normPoolSumsBF16Wide(sum, product []float32, dy, x []BF16, w Window, n *Norm) bool {
	cols := len(n.Mean)
	piece := l.bf16Piece(cols)
	if piece == 0 {
		return false
	}
	clear(sum)
	clear(product)
	b := windowBlocks(w, x, len(dy))
	for i := 0; i < len(dy); i += piece {
		normPoolSumsBF16AVX512(&sum[0], &product[0], &dy[i], &b[0][i], &b[1][i], &b[2][i], &b[3][i],
			&n.Mean[0], &n.Scale[0], &n.Beta[0], min(piece, len(dy)-i)/cols, cols, n.Floor)
	}
	return true
}

func (l Level) normPoolGradBF16Wide(dx, dy, x []BF16, w Window, n *NormGrad) bool {
	cols := len(n.Mean)
	piece := l.bf16Piece(cols)
	if piece == 0 {
		return false
	}
	b, d := windowBlocks(w, x, len(dy)), windowBlocks(w, dx, len(dy))
	for i := 0; i < len(dy); i += piece {
		normPoolGradBF16AVX512(&d[0][i], &dy[i], &b[0][i], &b[1][i], &b[2][i], &b[3][i],
			&n.Mean[0], &n.Scale[0], &n.Beta[0], &n.A[0], &n.B[0], min(piece, len(dy)-i)/cols, cols, n.Floor)
	}
	return true
}
