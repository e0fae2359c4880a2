package ops

// Convolution in bf16: the divisions are those of float32, x, y and the kernel are BF16, and sums
// are float32 until y is rounded. Where the input channels do not fill whole steps of 32, rows of
// the im2col matrix are made after all: the taps together need less filling up than each would.

// PackedSizeBF16 returns the number of elements of the packed kernel.
func PackedSizeBF16(s ConvShape) int { return PackedMatrixSizeBF16(s.taps()*s.In, s.Out) }

// packedRows is how many rows of the packed kernel PackKernelBF16 fills in a job.
const packedRows = 64

// PackJobsBF16 returns in how many jobs PackKernelBF16 packs.
func (s ConvShape) PackJobsBF16() int { return (s.taps()*s.In + packedRows - 1) / packedRows }

// PackKernelBF16 rounds and packs a part of a convolution's kernel (k, k, In, Out) for ConvForwardBF16. scratch
// is of RoundedScratch floats.
func (l Level) PackKernelBF16(packed []BF16, kernel []float32, s ConvShape, job int, scratch []float32) {
	depth, p := s.taps()*s.In, job*packedRows
	l.PackRounded(packed, depth, Matrix{kernel[p*s.Out:], s.Out, 1}, p, min(packedRows, depth-p), s.Out, scratch)
}

// PackKernelTurnedBF16 rounds and packs one group of the kernel of the backward pass, as PackKernelTurned does.
func (l Level) PackKernelTurnedBF16(packed []BF16, kernel []float32, s ConvShape, group int, scratch []float32) {
	j := group * GroupColumns
	columns := min(GroupColumns, s.Out-j)
	depth := PadBF16(s.taps() * s.In)
	panel := packed[j*depth:][:panelBF16*depth]
	if columns < panelBF16 || s.In%depthBF16 != 0 {
		clear(panel)
	}
	for t := range s.taps() {
		tap := kernel[((s.taps()-1-t)*s.Out+j)*s.In:]
		l.packRoundedColumns(panel, t*s.In, tap, s.In, s.In, columns, AsBF16(scratch))
	}
}

// ConvScratchBF16 returns the number of floats that ConvForwardBF16 needs.
func (l Level) ConvScratchBF16(s ConvShape) int {
	n := convRows*panelBF16 + l.scratchBF16()
	if s.In%depthBF16 != 0 {
		n += convRows * PadBF16(s.taps()*s.In) / 2
	}
	return n
}

// ConvForwardBF16 is ConvForward with a kernel from PackKernelBF16 or PackKernelTurnedBF16.
func (l Level) ConvForwardBF16(y, x, packed []BF16, s ConvShape, block *ConvBlock, group int, p Product, scratch []float32) {
	j := group * GroupColumns
	columns := min(GroupColumns, s.Out-j)
	panel := packed[j*PadBF16(s.taps()*s.In):]
	sums := scratch[:block.rows*panelBF16]
	scratch = scratch[len(sums):]
	flags := 0
	if p.Bias != nil {
		for i := range block.rows {
			copy(sums[i*panelBF16:], p.Bias[j:][:columns])
			clear(sums[i*panelBF16+columns : (i+1)*panelBF16])
		}
		flags = tileAdd
	}
	if s.In%depthBF16 == 0 {
		l.sumTaps(sums, x, panel, s, block, flags, scratch)
	} else {
		l.sumGathered(sums, x, panel, s, block, flags, scratch)
	}
	if p.ReLU {
		l.ReLU(sums, sums)
	}
	for i := range block.rows {
		l.RoundBF16(y[(block.first+i)*s.Out+j:][:columns], sums[i*panelBF16:][:columns])
	}
}

// sumTaps adds the products of the taps where they stand in x, a stretch for each.
func (l Level) sumTaps(sums []float32, x, panel []BF16, s ConvShape, block *ConvBlock, flags int, scratch []float32) {
	var segs [9]Segment
	n := block.tapsInside
	for i, tap := range block.taps[:n] {
		segs[i] = Segment{A: tap.A * s.In, B: tap.B * s.In * panelBF16}
	}
	runs := min(n, (n*s.In+convDepth-1)/convDepth)
	for r := range runs {
		l.panelBF16(sums, panelBF16, block.rows, x, s.In, panel, segs[n*r/runs:n*(r+1)/runs], s.In, flags, scratch)
		flags = tileAdd
	}
}

// sumGathered copies the taps of each row to one stretch, zero for those outside.
func (l Level) sumGathered(sums []float32, x, panel []BF16, s ConvShape, block *ConvBlock, flags int, scratch []float32) {
	depth := PadBF16(s.taps() * s.In)
	rows := AsBF16(scratch)[:block.rows*depth]
	scratch = scratch[len(rows)/2:]
	clear(rows)
	for _, tap := range block.taps[:block.tapsInside] {
		from, to := x[tap.A*s.In:], rows[tap.B*s.In:]
		for i := range block.rows {
			copy(to[i*depth:], from[i*s.In:][:s.In])
		}
	}
	var start [1]Segment
	l.panelBF16(sums, panelBF16, block.rows, rows, depth, panel, start[:], depth, flags, scratch)
}
