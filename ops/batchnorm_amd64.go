//go:build !noasm

package ops

// Each kernel is in its .s file in Go. They do the first wide columns, a multiple of 8, of all
// rows; the methods call them for pieces and return how many columns are done.

//go:noescape
func columnSumsAVX2(sum, squares, x, pivot *float32, rows, cols, stride, ahead int)

//go:noescape
func normalizeAVX2(y, x, mean, scale, beta *float32, rows, cols, stride, ahead int, floor float32)

//go:noescape
func normSumsAVX2(sum, product, dy, x, mean, scale, beta *float32, rows, cols, stride, ahead int, floor float32)

//go:noescape
func normGradAVX2(dx, dy, x, mean, scale, beta, a, b *float32, rows, cols, stride, ahead int, floor float32)

//go:noescape
func normalizePoolAVX2(y, x0, x1, x2, x3, mean, scale, beta *float32, rows, cols, stride int, floor float32)

//go:noescape
func normPoolSumsAVX2(sum, product, dy, x0, x1, x2, x3, mean, scale, beta *float32, rows, cols, stride int, floor float32)

//go:noescape
func normPoolGradAVX2(dx0, dy, x0, x1, x2, x3, mean, scale, beta, a, b *float32, rows, cols, stride int, floor float32)

// pieceSize is about how many numbers of each slice one call of a kernel takes, so that none
// keeps the garbage collector waiting for long: assembly cannot be preempted.
const pieceSize = 1 << 16

// wide returns how many of cols columns vectors do, and the size of a piece, of whole rows.
func (l Level) wide(cols int) (wide, piece int) {
	if l < AVX2 {
		return 0, 0
	}
	return cols &^ 7, max(1, pieceSize/cols) * cols
}

// ahead is how many bytes before it is needed the kernels ask for what they read. It brings a tenth of
// the time where AVX-512 is; below, where it was not measured, nothing is asked for early.
func (l Level) ahead() int {
	if l < AVX512 {
		return 0
	}
	return 2048
}

func (l Level) columnSumsWide(sum, squares, x, pivot []float32) int {
	cols := len(pivot)
	wide, piece := l.wide(cols)
	if wide == 0 {
		return 0
	}
	for i := 0; i < len(x); i += piece {
		columnSumsAVX2(&sum[0], &squares[0], &x[i], &pivot[0], min(piece, len(x)-i)/cols, wide, cols, l.ahead())
	}
	return wide
}

func (l Level) normalizeWide(y, x []float32, n *Norm) int {
	cols := len(n.Mean)
	wide, piece := l.wide(cols)
	if wide == 0 {
		return 0
	}
	for i := 0; i < len(x); i += piece {
		normalizeAVX2(&y[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0],
			min(piece, len(x)-i)/cols, wide, cols, l.ahead(), n.Floor)
	}
	return wide
}

func (l Level) normSumsWide(sum, product, dy, x []float32, n *Norm) int {
	cols := len(n.Mean)
	wide, piece := l.wide(cols)
	if wide == 0 {
		return 0
	}
	for i := 0; i < len(x); i += piece {
		normSumsAVX2(&sum[0], &product[0], &dy[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0],
			min(piece, len(x)-i)/cols, wide, cols, l.ahead(), n.Floor)
	}
	return wide
}

func (l Level) normGradWide(dx, dy, x []float32, n *NormGrad) int {
	cols := len(n.Mean)
	wide, piece := l.wide(cols)
	if wide == 0 {
		return 0
	}
	for i := 0; i < len(x); i += piece {
		normGradAVX2(&dx[i], &dy[i], &x[i], &n.Mean[0], &n.Scale[0], &n.Beta[0], &n.A[0], &n.B[0],
			min(piece, len(x)-i)/cols, wide, cols, l.ahead(), n.Floor)
	}
	return wide
}

func (l Level) normalizePoolWide(y []float32, x *[4][]float32, n *Norm) int {
	cols := len(n.Mean)
	wide, piece := l.wide(cols)
	if wide == 0 {
		return 0
	}
	for i := 0; i < len(y); i += piece {
		normalizePoolAVX2(&y[i], &x[0][i], &x[1][i], &x[2][i], &x[3][i], &n.Mean[0], &n.Scale[0], &n.Beta[0],
			min(piece, len(y)-i)/cols, wide, cols, n.Floor)
	}
	return wide
}

func (l Level) normPoolSumsWide(sum, product, dy []float32, x *[4][]float32, n *Norm) int {
	cols := len(n.Mean)
	wide, piece := l.wide(cols)
	if wide == 0 {
		return 0
	}
	for i := 0; i < len(dy); i += piece {
		normPoolSumsAVX2(&sum[0], &product[0], &dy[i], &x[0][i], &x[1][i], &x[2][i], &x[3][i],
			&n.Mean[0], &n.Scale[0], &n.Beta[0], min(piece, len(dy)-i)/cols, wide, cols, n.Floor)
	}
	return wide
}

func (l Level) normPoolGradWide(dx *[4][]float32, dy []float32, x *[4][]float32, n *NormGrad) int {
	cols := len(n.Mean)
	wide, piece := l.wide(cols)
	if wide == 0 {
		return 0
	}
	for i := 0; i < len(dy); i += piece {
		normPoolGradAVX2(&dx[0][i], &dy[i], &x[0][i], &x[1][i], &x[2][i], &x[3][i],
			&n.Mean[0], &n.Scale[0], &n.Beta[0], &n.A[0], &n.B[0], min(piece, len(dy)-i)/cols, wide, cols, n.Floor)
	}
	return wide
}
