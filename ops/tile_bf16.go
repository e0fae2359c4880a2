package ops

import "github.com/lamina-go/lamina/tensor"

const errDepthBF16 = "ops: the depth of a bf16 product is not a multiple of 32"

// prefetchBF16 is what the next calls read. A kernel that can prefetches it while it computes:
// eight streams of rows/32·k/16 cache lines, which begin stride elements from each other.
type prefetchBF16 struct {
	from   []BF16
	stride int
}

// panelBF16 computes rows rows and the 64 columns of one packed panel of
//
//	c = (c if flags&tileAdd, else 0) + Σ over segs of a·b
//
// with a[s.a + i*rs + p] and the p-th row of the panel at b[s.b:], p < k. k is a positive multiple
// of 32, as from padBF16, and there is at least one segment. Sums are float32.
//
// Levels below AVX512BF16 have no bf16 products: they widen both operands in scratch, of
// l.scratchBF16() floats, and multiply those, which takes somewhat longer than float32 would.
func (l Level) panelBF16(c []float32, ldc, rows int, a []BF16, rs int, b []BF16,
	segs []segment, k, flags int, next prefetchBF16, scratch []float32) {
	if rows == 0 {
		return
	}
	_ = c[(rows-1)*ldc+panelBF16-1]
	checkPanelBF16(rows, a, rs, b, segs, k)
	if !l.panelTilesBF16(c, ldc, rows, a, rs, b, segs, k, flags, next) {
		l.panelWidened(c, ldc, rows, a, rs, b, segs, k, flags, scratch)
	}
}

// checkPanelBF16 touches the last element of each operand, since the kernels do not check lengths.
func checkPanelBF16(rows int, a []BF16, rs int, b []BF16, segs []segment, k int) {
	if k%depthBF16 != 0 {
		panic(errDepthBF16)
	}
	for _, s := range segs {
		_ = a[s.a+(rows-1)*rs+k-1]
		_ = b[s.b+k*panelBF16-1]
	}
}

// panelRounded computes rows rows and the first columns of a panel of
//
//	y = Σ over segs of a·b + p.Bias
//
// with the ReLU or the function of p, as panelBF16 does, and rounds it. scratch has rows·64 floats
// plus what panelBF16 needs.
func (l Level) panelRounded(y []BF16, ldy, rows, columns int, a []BF16, rs int, b []BF16,
	segs []segment, k int, p Epilogue, scratch []float32) {
	if columns == panelBF16 && p.Function.Kind == tensor.Identity && l.panelTilesRounded(y, ldy, rows, a, rs, b, segs, k, p, scratch) {
		return
	}
	sums := scratch[:rows*panelBF16]
	scratch = scratch[len(sums):]
	flags := 0
	if p.Bias != nil {
		for i := range rows {
			row := sums[i*panelBF16:][:panelBF16]
			copy(row, p.Bias[:columns])
			clear(row[columns:])
		}
		flags = tileAdd
	}
	n := len(segs)
	runs := min(n, divUp(n*k, convDepth))
	for r := range runs {
		run := segs[n*r/runs : n*(r+1)/runs]
		l.panelBF16(sums, panelBF16, rows, a, rs, b, run, k, flags, prefetchBF16{}, scratch)
		flags = tileAdd
	}
	if p.ReLU {
		l.ReLU(sums, sums)
	}
	l.finish(blockC{sums, panelBF16, rows, columns}, p.Function)
	for i := range rows {
		l.RoundBF16(y[i*ldy:][:columns], sums[i*panelBF16:][:columns])
	}
}

// Blocks in which panelWidened widens a and b. The sum of widenedDepth steps of k is added to c as
// one.
const (
	widenedRows  = 64
	widenedDepth = 512
)

// scratchBF16 returns the number of floats that panelBF16 needs.
func (l Level) scratchBF16() int {
	if l >= AVX512BF16 {
		return 0
	}
	return (widenedRows + panelBF16) * widenedDepth
}

func (l Level) panelWidened(c []float32, ldc, rows int, a []BF16, rs int, b []BF16,
	segs []segment, k, flags int, scratch []float32) {
	width := l.panelWidth()
	var start [1]segment
	for _, s := range segs {
		for p0 := 0; p0 < k; p0 += widenedDepth {
			depth := min(widenedDepth, k-p0)
			wideB := scratch[:depth*panelBF16]
			wideA := scratch[len(wideB):]
			l.splitPanel(wideB, b[s.b+p0*panelBF16:], depth)
			for i := 0; i < rows; i += widenedRows {
				m := min(widenedRows, rows-i)
				l.widenRows(wideA, a[s.a+i*rs+p0:], rs, m, depth)
				for j := 0; j < panelBF16; j += width {
					l.panel(c[i*ldc+j:], ldc, m, wideA, depth, 1, wideB[j*depth:], width,
						start[:], depth, nil, flags, prefetch{})
				}
			}
			flags |= tileAdd
		}
	}
}

// widenRows sets m contiguous rows of n elements to those of src, with row stride rs.
func (l Level) widenRows(dst []float32, src []BF16, rs, m, n int) {
	if rs == n {
		l.WidenBF16(dst[:m*n], src[:m*n])
		return
	}
	for i := range m {
		l.WidenBF16(dst[i*n:][:n], src[i*rs:][:n])
	}
}

// splitPanel converts depth rows of a bf16 panel to float32 panels of this level's width.
func (l Level) splitPanel(dst []float32, src []BF16, depth int) {
	if l.splitWide(dst, src, depth) {
		return
	}
	width := l.panelWidth()
	for p := 0; p < depth; p += 2 {
		pairs := src[p*panelBF16:][:2*panelBF16]
		for j := 0; j < panelBF16; j += width {
			even := dst[j*depth+p*width:][:width]
			odd := dst[j*depth+(p+1)*width:][:width]
			for i := range width {
				even[i] = pairs[2*(j+i)].Float32()
				odd[i] = pairs[2*(j+i)+1].Float32()
			}
		}
	}
}
