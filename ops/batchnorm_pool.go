package ops

// Window2x2 is the layout of the 2x2 window of a max pool in an HWNC tensor: four blocks of N·C
// elements, at x[0:], x[Right:], x[Down:] and x[Down+Right:], in row-major order.
type Window2x2 struct {
	Right, Down int // N·C and W·N·C
}

// starts returns where the four blocks begin.
func (w Window2x2) starts() [4]int { return [...]int{0, w.Right, w.Down, w.Down + w.Right} }

// windowBlocks returns n elements of each of the four blocks of a window.
func windowBlocks[T float32 | BF16](w Window2x2, x []T, n int) (b [4][]T) {
	for i, at := range w.starts() {
		b[i] = x[at:][:n]
	}
	return b
}

// NormalizePool sets each element of y to the maximum of the normalized elements of the four blocks
// at x. len(y) is the length of a block, or of a range of whole rows of it.
func (l Level) NormalizePool(y, x []float32, w Window2x2, n *Norm) {
	n.check(len(y))
	blocks := windowBlocks(w, x, len(y))
	from := l.normalizePoolWide(y, &blocks, n)
	cols := len(n.Mean)
	if from == cols {
		return
	}
	for r := 0; r < len(y); r += cols {
		for c := from; c < cols; c++ {
			z, _ := poolAt(&blocks, n, r+c, c)
			y[r+c] = max(n.Floor, z)
		}
	}
}

// poolAt returns the largest z at element i of the four blocks, in channel c, and the first block
// that has it.
func poolAt(x *[4][]float32, n *Norm, i, c int) (best float32, block int) {
	best = n.at(x[0][i], c)
	for b := 1; b < 4; b++ {
		if z := n.at(x[b][i], c); z > best || z != z {
			best, block = z, b
		}
	}
	return best, block
}

// NormPoolSums is NormSums before a 2x2 max pool: dy goes to the first of the largest elements of
// each window.
func (l Level) NormPoolSums(sum, product, dy, x []float32, w Window2x2, n *Norm) {
	n.check(len(dy))
	n.checkSums(sum, product)
	clear(sum)
	clear(product)
	blocks := windowBlocks(w, x, len(dy))
	from := l.normPoolSumsWide(sum, product, dy, &blocks, n)
	cols := len(n.Mean)
	if from == cols {
		return
	}
	for r := 0; r < len(dy); r += cols {
		for c := from; c < cols; c++ {
			z, b := poolAt(&blocks, n, r+c, c)
			if z <= n.Floor {
				continue
			}
			g := dy[r+c]
			sum[c] += g
			product[c] += g * (blocks[b][r+c] - n.Mean[c])
		}
	}
}

// NormPoolGrad is NormGrad before a 2x2 max pool: it sets the four blocks at dx, which may be x.
func (l Level) NormPoolGrad(dx, dy, x []float32, w Window2x2, n *NormGrad) {
	n.check(len(dy))
	blocks, grads := windowBlocks(w, x, len(dy)), windowBlocks(w, dx, len(dy))
	from := l.normPoolGradWide(&grads, dy, &blocks, n)
	cols := len(n.Mean)
	if from == cols {
		return
	}
	for r := 0; r < len(dy); r += cols {
		for c := from; c < cols; c++ {
			z, first := poolAt(&blocks, &n.Norm, r+c, c)
			for b := range grads {
				var g float32
				if b == first && !(z <= n.Floor) {
					g = dy[r+c]
				}
				grads[b][r+c] = n.at(g, blocks[b][r+c], c)
			}
		}
	}
}
