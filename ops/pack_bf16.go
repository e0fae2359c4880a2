package ops

// Packed matrices of bf16: B as panels of panelBF16 columns. bf16 instructions sum two steps of k
// at a time. So a panel has a row for each pair of B's rows, with the two elements of each column
// next to each other. Rows are padded with zeros to a multiple of depthBF16, columns to a whole
// panel.

const (
	panelBF16 = columnBlock
	depthBF16 = 32 // steps of k in an AMX tile
)

// matrixBF16 is a Matrix of bf16.
type matrixBF16 struct {
	Data                 []BF16
	RowStride, ColStride int
}

// padBF16 returns k rounded up to a multiple of 32. Operands are padded with zeros to it along the
// sum over k.
func padBF16(k int) int { return (k + depthBF16 - 1) / depthBF16 * depthBF16 }

// PackedMatrixSizeBF16 returns the number of elements of a packed matrix of k rows and n columns.
func PackedMatrixSizeBF16(k, n int) int {
	return (n + panelBF16 - 1) / panelBF16 * panelBF16 * padBF16(k)
}

// packMatrixBF16 packs columns from j on of b, a matrix of k rows, for gemmBF16. j is a multiple of
// columnBlock.
func (l Level) packMatrixBF16(packed []BF16, b matrixBF16, k, j, columns int) {
	for end := j + columns; j < end; j += panelBF16 {
		panel := packed[j*padBF16(k):][:panelBF16*padBF16(k)]
		n := min(panelBF16, end-j)
		if b.ColStride == 1 {
			l.interleave(panel, panelBF16, b.Data[j:], b.RowStride, k, n)
			continue
		}
		if n < panelBF16 || k < padBF16(k) {
			clear(panel)
		}
		l.interleaveColumns(panel, 0, b.Data[j*b.ColStride:], b.ColStride, k, n)
	}
}

// roundedElements of whole rows of B are rounded at a time, few enough to stay in L1.
const roundedElements = 1 << 13

// RoundedScratch is the number of floats of scratch that PackRounded needs.
const RoundedScratch = roundedElements / 2

// PackRounded rounds rows p0 to p0+k of a matrix of depth rows and n columns and packs them for
// gemmBF16. A level whose products treat subnormals as zero may round them to zero. b begins at row
// p0 and has row stride ldb. p0 is even, and so is k unless these are the last rows. b is read
// sequentially.
func (l Level) PackRounded(packed []BF16, depth int, b []float32, ldb, p0, k, n int, scratch []float32) {
	size := panelBF16 * padBF16(depth)
	rows, columns := l.packRoundedWide(packed[p0*panelBF16:], size, b, ldb, k, n)
	if columns > 0 && rows < k {
		l.packRounded(packed[(p0+rows)*panelBF16:], size, b[rows*ldb:], ldb, k-rows, columns, scratch)
	}
	if columns < n {
		l.packRounded(packed[columns*padBF16(depth)+p0*panelBF16:], size, b[columns:], ldb, k, n-columns, scratch)
	}
	for j := 0; p0+k == depth && j < n; j += panelBF16 {
		clear(packed[j*padBF16(depth):][(depth+1)/2*2*panelBF16 : size])
	}
}

// packRounded rounds k rows of n columns and interleaves them in panels, stride elements from one
// to the next.
func (l Level) packRounded(packed []BF16, stride int, b []float32, ldb, k, n int, scratch []float32) {
	rounded := AsBF16(scratch[:RoundedScratch])
	for j0 := 0; j0 < n; j0 += roundedElements / 2 {
		columns := min(roundedElements/2, n-j0)
		step := roundedElements / columns &^ 1
		for p := 0; p < k; p += step {
			rows := min(step, k-p)
			for i := range rows {
				l.RoundBF16(rounded[i*columns:][:columns], b[(p+i)*ldb+j0:][:columns])
			}
			for j := 0; j < columns; j += panelBF16 {
				panel := packed[(j0+j)/panelBF16*stride:]
				l.interleavePairs(panel[p*panelBF16:], panelBF16, rounded[j:], columns, rows, min(panelBF16, columns-j))
			}
		}
	}
}

// interleave is interleavePairs with zeros up to padBF16(k) rows.
func (l Level) interleave(dst []BF16, ldd int, src []BF16, lds, k, n int) {
	l.interleavePairs(dst, ldd, src, lds, k, n)
	clear(dst[(k+1)/2*2*ldd : padBF16(k)*ldd])
}

// interleavePairs sets rows of ldd pairs
//
//	dst[2*(p*ldd+j)], dst[2*(p*ldd+j)+1] = src[2*p*lds+j], src[(2*p+1)*lds+j]
//
// and zero where src, of k rows and n columns, has no such element.
func (l Level) interleavePairs(dst []BF16, ldd int, src []BF16, lds, k, n int) {
	done := l.interleaveWide(dst, ldd, src, lds, k/2, n)
	if done < n || n < ldd {
		for p := range k / 2 {
			row := dst[2*p*ldd:][:2*ldd]
			even, odd := src[2*p*lds:][:n], src[(2*p+1)*lds:][:n]
			for j := done; j < n; j++ {
				row[2*j], row[2*j+1] = even[j], odd[j]
			}
			clear(row[2*n:])
		}
	}
	if k%2 != 0 {
		last := dst[k/2*2*ldd:][:2*ldd]
		clear(last)
		for j, v := range src[(k-1)*lds:][:n] {
			last[2*j] = v
		}
	}
}

// separatePairs is the inverse of interleavePairs for a panel: it sets k rows of n elements, a
// multiple of 32, with row stride ldd.
func (l Level) separatePairs(dst []BF16, ldd int, panel []BF16, k, n int) {
	done := l.separateWide(dst, ldd, panel, k/2, n)
	for i := done; i < k; i++ {
		row, from := dst[i*ldd:][:n], panel[i/2*2*panelBF16+i%2:]
		for j := range row {
			row[j] = from[2*j]
		}
	}
}

// interleaveColumns sets the rows of a panel from p0 on to a matrix of k rows and n columns, whose
// element (p, j) is src[j*cs+p].
func (l Level) interleaveColumns(panel []BF16, p0 int, src []BF16, cs, k, n int) {
	p := 0
	if p0%2 == 0 && cs%2 == 0 { // pairs are adjacent: transpose them as 32-bit values
		p = k &^ 1
		l.transpose(asPairs(panel[p0*panelBF16:]), panelBF16, asPairs(src), cs/2, n, p/2)
	}
	for ; p < k; p++ {
		to := panel[(p0+p)/2*2*panelBF16+(p0+p)%2:]
		for j := range n {
			to[2*j] = src[j*cs+p]
		}
	}
}

// transposeScratchBF16 returns the number of floats of scratch that transposeBF16 needs for n rows.
func transposeScratchBF16(n int) int { return padBF16(n) / 2 * panelBF16 }

// transposeBF16 sets dst[j*ldd+i] = src[i*lds+j] for n rows i and c columns j, and zero for i from
// n to padBF16(n). ldd is even.
func (l Level) transposeBF16(dst []BF16, ldd int, src []BF16, lds, n, c int, scratch []float32) {
	pairs := padBF16(n) / 2
	for j := 0; j < c; j += panelBF16 {
		columns := min(panelBF16, c-j)
		l.interleave(AsBF16(scratch), columns, src[j:], lds, n, columns)
		l.transpose(asPairs(dst[j*ldd:]), ldd/2, scratch, columns, pairs, columns)
	}
}
