package ops

// Batch normalization of bf16, with float32 parameters and sums. Each method computes what the one
// without BF16 in its name does on the widened values, and rounds what it stores (from AVX512BF16
// on, subnormals to zero). If there is no kernel for the level or the number of channels, it widens
// the values to tmp, which holds all of x and dy, or y.

// widen returns x as float32, in tmp, and the rest of tmp.
func (l Level) widen(x []BF16, tmp []float32) (widened, rest []float32) {
	l.WidenBF16(tmp[:len(x)], x)
	return tmp[:len(x)], tmp[len(x):]
}

// widenWindow returns n elements of each of the four blocks of a window, one after the other.
func (l Level) widenWindow(x []BF16, w Window2x2, n int, tmp []float32) (
	widened []float32, dense Window2x2, rest []float32) {
	for i, at := range w.starts() {
		l.WidenBF16(tmp[i*n:][:n], x[at:][:n])
	}
	return tmp[:4*n], Window2x2{Right: n, Down: 2 * n}, tmp[4*n:]
}

// roundWindow rounds x, n elements for each of the four blocks, to a window.
func (l Level) roundWindow(y []BF16, w Window2x2, n int, x []float32) {
	for i, at := range w.starts() {
		l.RoundBF16(y[at:][:n], x[i*n:][:n])
	}
}

// ColumnSumsBF16 is ColumnSums of bf16.
func (l Level) ColumnSumsBF16(sum, squares []float32, x []BF16, pivot, tmp []float32) {
	checkColumns(sum, squares, len(x), pivot)
	if l.columnSumsBF16Wide(sum, squares, x, pivot) {
		return
	}
	wide, _ := l.widen(x, tmp)
	l.ColumnSums(sum, squares, wide, pivot)
}

// NormalizeBF16 is Normalize of bf16.
func (l Level) NormalizeBF16(y, x []BF16, n *Norm, tmp []float32) {
	n.check(len(x), len(y))
	if l.normalizeBF16Wide(y, x, n) {
		return
	}
	wide, _ := l.widen(x, tmp)
	l.Normalize(wide, wide, n)
	l.RoundBF16(y, wide)
}

// NormSumsBF16 is NormSums of bf16.
func (l Level) NormSumsBF16(sum, product []float32, dy, x []BF16, n *Norm, tmp []float32) {
	n.check(len(x), len(dy))
	n.checkSums(sum, product)
	if l.normSumsBF16Wide(sum, product, dy, x, n) {
		return
	}
	wide, rest := l.widen(x, tmp)
	grad, _ := l.widen(dy, rest)
	l.NormSums(sum, product, grad, wide, n)
}

// NormGradBF16 is NormGrad of bf16.
func (l Level) NormGradBF16(dx, dy, x []BF16, n *NormGrad, tmp []float32) {
	n.check(len(x), len(dx), len(dy))
	if l.normGradBF16Wide(dx, dy, x, n) {
		return
	}
	wide, rest := l.widen(x, tmp)
	grad, _ := l.widen(dy, rest)
	l.NormGrad(wide, grad, wide, n)
	l.RoundBF16(dx, wide)
}

// NormalizePoolBF16 is NormalizePool of bf16.
func (l Level) NormalizePoolBF16(y, x []BF16, w Window2x2, n *Norm, tmp []float32) {
	n.check(len(y))
	if l.normalizePoolBF16Wide(y, x, w, n) {
		return
	}
	wide, dense, rest := l.widenWindow(x, w, len(y), tmp)
	l.NormalizePool(rest[:len(y)], wide, dense, n)
	l.RoundBF16(y, rest[:len(y)])
}

// NormPoolSumsBF16 is NormPoolSums of bf16.
func (l Level) NormPoolSumsBF16(sum, product []float32, dy, x []BF16, w Window2x2, n *Norm, tmp []float32) {
	n.check(len(dy))
	n.checkSums(sum, product)
	if l.normPoolSumsBF16Wide(sum, product, dy, x, w, n) {
		return
	}
	wide, dense, rest := l.widenWindow(x, w, len(dy), tmp)
	grad, _ := l.widen(dy, rest)
	l.NormPoolSums(sum, product, grad, wide, dense, n)
}

// NormPoolGradBF16 is NormPoolGrad of bf16.
func (l Level) NormPoolGradBF16(dx, dy, x []BF16, w Window2x2, n *NormGrad, tmp []float32) {
	n.check(len(dy))
	if l.normPoolGradBF16Wide(dx, dy, x, w, n) {
		return
	}
	wide, dense, rest := l.widenWindow(x, w, len(dy), tmp)
	grad, _ := l.widen(dy, rest)
	l.NormPoolGrad(wide, grad, wide, dense, n)
	l.roundWindow(dx, w, len(dy), wide)
}
