//go:build !noasm

package ops

//go:generate go tool asm2plan9s batchnorm_bf16_amd64.s
//go:generate go tool asm2plan9s batchnorm_pool_bf16_amd64.s

// The kernels compute all columns, a multiple of 16.

//go:noescape
func columnSumsBF16AVX512(p normArgs)

//go:noescape
func normalizeBF16AVX512(p normArgs)

//go:noescape
func normSumsBF16AVX512(p normArgs)

//go:noescape
func normGradBF16AVX512(p normArgs)

//go:noescape
func normalizePoolBF16AVX512(p normArgs)

//go:noescape
func normPoolSumsBF16AVX512(p normArgs)

//go:noescape
func normPoolGradBF16AVX512(p normArgs)

// normArgsBF16 is normArgs for the kernels of bf16. cols is 0 if there is none for the level or the
// number of columns.
func (l Level) normArgsBF16(n *Norm) normArgs {
	p := l.normArgs(n)
	if l < AVX512BF16 || p.stride%16 != 0 {
		p.cols = 0
	}
	return p
}

// Each method calls its kernel for all chunks. It returns false if there is no kernel for the level
// or the number of columns.

func (l Level) columnSumsBF16Wide(sum, squares []float32, x []BF16, pivot []float32) bool {
	clear(sum)
	clear(squares)
	p := l.normArgsBF16(&Norm{Mean: pivot, Scale: pivot, Beta: pivot})
	p.sum, p.product = &sum[0], &squares[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0] = at(x, i)
		columnSumsBF16AVX512(p)
	}) > 0
}

func (l Level) normalizeBF16Wide(y, x []BF16, n *Norm) bool {
	p := l.normArgsBF16(n)
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.out = at(x, i), at(y, i)
		normalizeBF16AVX512(p)
	}) > 0
}

func (l Level) normSumsBF16Wide(sum, product []float32, dy, x []BF16, n *Norm) bool {
	clear(sum)
	clear(product)
	p := l.normArgsBF16(n)
	p.sum, p.product = &sum[0], &product[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.dy = at(x, i), at(dy, i)
		normSumsBF16AVX512(p)
	}) > 0
}

func (l Level) normGradBF16Wide(dx, dy, x []BF16, n *NormGrad) bool {
	p := l.normArgsBF16(&n.Norm)
	p.a, p.b = &n.A[0], &n.B[0]
	return p.eachChunk(len(x), func(i int) {
		p.x[0], p.dy, p.out = at(x, i), at(dy, i), at(dx, i)
		normGradBF16AVX512(p)
	}) > 0
}

func (l Level) normalizePoolBF16Wide(y, x []BF16, w Window2x2, n *Norm) bool {
	p, blocks := l.normArgsBF16(n), windowBlocks(w, x, len(y))
	return p.eachChunk(len(y), func(i int) {
		p.x, p.out = blocksAt(&blocks, i), at(y, i)
		normalizePoolBF16AVX512(p)
	}) > 0
}

func (l Level) normPoolSumsBF16Wide(sum, product []float32, dy, x []BF16, w Window2x2, n *Norm) bool {
	clear(sum)
	clear(product)
	p, blocks := l.normArgsBF16(n), windowBlocks(w, x, len(dy))
	p.sum, p.product = &sum[0], &product[0]
	return p.eachChunk(len(dy), func(i int) {
		p.x, p.dy = blocksAt(&blocks, i), at(dy, i)
		normPoolSumsBF16AVX512(p)
	}) > 0
}

func (l Level) normPoolGradBF16Wide(dx, dy, x []BF16, w Window2x2, n *NormGrad) bool {
	p, blocks, grads := l.normArgsBF16(&n.Norm), windowBlocks(w, x, len(dy)), windowBlocks(w, dx, len(dy))
	p.a, p.b = &n.A[0], &n.B[0]
	return p.eachChunk(len(dy), func(i int) {
		p.x, p.dy, p.out = blocksAt(&blocks, i), at(dy, i), at(grads[0], i)
		normPoolGradBF16AVX512(p)
	}) > 0
}
