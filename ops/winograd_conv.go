package ops

import "math"

// winogradPass is a forward pass or an input gradient by one of Winograd's algorithms. Its packed
// kernel is transformed: t² matrices of In rows and Out columns, each packed.
type winogradPass struct {
	level     Level
	algorithm Winograd
	shape     convPass
	rotated   bool // the kernel, as in the input gradient
	jobs      []winogradJob
}

// winogradJob is a block of rows, and some columns from the first on.
type winogradJob struct {
	rows           winogradBlock
	first, columns int
}

// newWinogradPass divides a pass among workers. A job that computes all columns transforms its
// inputs once, so the columns are divided only where there are fewer blocks of rows than workers.
// The result doesn't depend on it.
func newWinogradPass(l Level, w Winograd, s convPass, rotated bool, workers int) *winogradPass {
	p := &winogradPass{level: l.forColumns(s.Out), algorithm: w, shape: s, rotated: rotated}
	blocks := w.blocks(s, winogradRows(s))
	columns := max(1, s.columnBlocks()/divUp(workers, len(blocks))) * columnBlock
	for _, b := range blocks {
		for j := 0; j < s.Out; j += columns {
			p.jobs = append(p.jobs, winogradJob{b, j, min(columns, s.Out-j)})
		}
	}
	return p
}

// winogradRows returns about how many rows a block should have: with many the kernel is read less
// often, with few the matrices V and M stay in L2.
func winogradRows(s convPass) int {
	switch {
	case s.In <= 64:
		return 48
	case s.In <= 128:
		return 32
	}
	return 64
}

// kernelStride returns the stride of the matrices of the packed kernel.
func (p *winogradPass) kernelStride() int {
	return planeStride(p.level.packedSize(p.shape.In, p.shape.Out))
}

func (*winogradPass) Packs() Packs      { return PacksKernel }
func (p *winogradPass) PackedSize() int { return p.algorithm.products() * p.kernelStride() }
func (p *winogradPass) PackJobs() int   { return p.shape.columnBlocks() }
func (p *winogradPass) Jobs() int       { return len(p.jobs) }

// Pack transforms and packs a column block of the kernel. A rotated one is (3, 3, Out, In) in
// memory.
func (p *winogradPass) Pack(packed, kernel []float32, job int, scratch []float32) {
	l, s := p.level, &p.shape
	products, stride := p.algorithm.products(), p.kernelStride()
	width := l.panelWidth()
	tmp, block := scratch[:tmpSize], scratch[tmpSize:]
	first := job * columnBlock
	last := min(first+columnBlock, s.Out)
	var src, dst planes
	if !p.rotated {
		for j := first; j < last; j += width {
			for tap := range 9 {
				src[tap] = kernel[tap*s.In*s.Out+j:]
			}
			dst.evenly(packed[j*s.In:], products, stride)
			if last-j < width {
				for k := range products {
					clear(dst[k][:s.In*width])
				}
			}
			l.apply(p.algorithm, toKernel, &dst, &src, s.In, min(width, last-j), width, s.Out, 0, tmp)
		}
		return
	}
	// Blocks of 64 by 64 channels are transformed as they are stored, and transposed when packed.
	dst.evenly(block, products, planeStride(columnBlock*columnBlock))
	for i := 0; i < s.In; i += columnBlock {
		depth := min(columnBlock, s.In-i)
		for tap := range 9 {
			src[tap] = kernel[((8-tap)*s.Out+first)*s.In+i:]
		}
		l.apply(p.algorithm, toKernel, &dst, &src, last-first, depth, depth, s.In, 0, tmp)
		for k := range products {
			l.packPanels(packed[k*stride+first*s.In+i*width:], s.In*width, dst[k], 1, depth, depth, last-first)
		}
	}
}

func (p *winogradPass) Scratch() int {
	s, products := &p.shape, p.algorithm.products()
	need := tmpSize + 36*planeStride(columnBlock*columnBlock) // of Pack
	for i := range p.jobs {
		j := &p.jobs[i]
		rows, columns := j.rows.rows(), p.level.wholePanels(j.columns)
		need = max(need, tmpSize+products*(planeStride(rows*s.In)+planeStride(rows*columns))+
			j.rows.images*max(s.In, s.Out)+columns)
	}
	return need
}

func (p *winogradPass) Run(y, x, packed []float32, e Epilogue, job int, scratch []float32) {
	l, w, s, j := p.level, p.algorithm, &p.shape, &p.jobs[job]
	g, b := w.tile(), &j.rows
	products := w.products()
	width, rows := l.panelWidth(), b.rows()
	columns, first := l.wholePanels(j.columns), j.first
	vStride, mStride, uStride := planeStride(rows*s.In), planeStride(rows*columns), p.kernelStride()
	space := workspace(scratch)
	tmp, v, m := space.take(tmpSize), space.take(products*vStride), space.take(products*mStride)
	other, bias := space.take(b.images*max(s.In, s.Out)), space.take(columns)

	var src, dst planes
	clear(other)
	for t := range b.tiles {
		src.inputs(x, s, w, b.tile+t, b.n, other)
		dst.evenly(v[t*b.images*s.In:], products, vStride)
		l.apply(w, toInput, &dst, &src, b.images, s.In, s.In, s.In, 0, tmp)
	}

	clear(bias)
	if e.Bias != nil {
		copy(bias, e.Bias[first:first+j.columns])
	}
	// One column of Aᵀ is all ones: what is added to that product is added to every output.
	ones := (g.t + 1) * g.ones
	var zero [1]segment
	var all [36]int
	needed := w.needed(s, b, &all)
	for i, k := range needed {
		for j := 0; j < columns; j += width {
			var start []float32
			if k == ones {
				start = bias[j:]
			}
			// The panels are many times larger than L2: prefetch the next one.
			next := k*uStride + (first+j+width)*s.In
			if j+width == columns {
				next = needed[(i+1)%len(needed)]*uStride + first*s.In
			}
			l.panel(m[k*mStride+j:], columns, rows, v[k*vStride:], s.In, 1,
				packed[k*uStride+(first+j)*s.In:], width, zero[:], s.In, start, 0, prefetch{from: packed[min(next, len(packed)):]})
		}
	}

	floor := float32(math.Inf(-1))
	if e.ReLU {
		floor = 0
	}
	for t := range b.tiles {
		src.evenly(m[t*b.images*columns:], products, mStride)
		dst.outputs(y[first:], s, w, b.tile+t, b.n, other)
		l.apply(w, toOutput, &dst, &src, b.images, j.columns, s.Out, columns, floor, tmp)
		for _, pixel := range dst[:g.out*g.out] {
			l.finish(blockC{pixel, s.Out, b.images, j.columns}, e.Function)
		}
	}
}
