package ops

// Convolution in bf16: the divisions are those of float32, x, y and the kernel are BF16, and sums
// are float32 until y is rounded. Where the input channels do not fill whole steps of 32, rows of
// the im2col matrix are made after all: the taps together need less filling up than each would.

// PackedSizeBF16 returns the number of elements of the packed kernel. (k, k, In, Out) is packed by PackRounded as a matrix of k·k·In rows.
func PackedSizeBF16(s ConvShape) int { return PackedMatrixSizeBF16(s.taps()*s.In, s.Out) }

// TurnKernelBF16 packs one group of the kernel of the backward pass, as PackKernelTurned does, from the packed kernel of the forward
// pass. It needs RoundedScratch.
func (l Level) TurnKernelBF16(packed, kernel []BF16, s ConvShape, group int, scratch []float32) {
	const apart = panelBF16 + depthBF16 // of rows: a power of two would give them one place in the cache
	j := group * GroupColumns
	columns := min(GroupColumns, s.Out-j)
	depth := PadBF16(s.taps() * s.In)
	panel := packed[j*depth:][:panelBF16*depth]
	if columns < panelBF16 || s.In%depthBF16 != 0 {
		clear(panel)
	}
	size := PadBF16(s.taps()*s.Out) * panelBF16
	rows := AsBF16(scratch)
	for t := range s.taps() {
		first := (s.taps()-1-t)*s.Out + j
		odd := first % 2 // then it is the second of a pair
		for i := 0; i < s.In; i += panelBF16 {
			n := min(panelBF16, s.In-i)
			l.separatePairs(rows, apart, kernel[i/panelBF16*size+(first-odd)*panelBF16:], columns+odd, PadBF16(n))
			l.interleaveColumns(panel, t*s.In+i, rows[odd*apart:], apart, n, columns)
		}
	}
}

// partRowsBF16 is the number of rows of the im2col matrix that a job takes at most: the packed kernel of a group is
// read for so many, and stays in the second-level cache.
const partRowsBF16 = 1024

// PartsBF16 divides the output of a convolution for jobs of ConvForwardBF16, enough for some workers.
func (s ConvShape) PartsBF16() [][]ConvBlock {
	const enough = 16
	most := min(s.N*s.H*s.W*s.Groups()/enough, partRowsBF16)
	var parts [][]ConvBlock
	blocks := s.Blocks()
	for len(blocks) > 0 {
		n, rows := 1, blocks[0].rows
		for n < len(blocks) && rows+blocks[n].rows <= most {
			rows += blocks[n].rows
			n++
		}
		parts = append(parts, blocks[:n])
		blocks = blocks[n:]
	}
	return parts
}

// ConvScratchBF16 returns the number of floats that ConvForwardBF16 needs.
func (l Level) ConvScratchBF16(s ConvShape) int {
	n := convRows*panelBF16 + l.scratchBF16()
	if s.In%depthBF16 != 0 {
		n += convRows * PadBF16(s.taps()*s.In) / 2
	}
	return n
}

// ConvForwardBF16 is ConvForward with a kernel from PackRounded or TurnKernelBF16.
func (l Level) ConvForwardBF16(y, x, packed []BF16, s ConvShape, blocks []ConvBlock, group int, p Product, scratch []float32) {
	j := group * GroupColumns
	columns := min(GroupColumns, s.Out-j)
	panel := packed[j*PadBF16(s.taps()*s.In):]
	if p.Bias != nil {
		p.Bias = p.Bias[j:][:columns]
	}
	for i := range blocks {
		b := &blocks[i]
		var room [9]segment
		if s.In%depthBF16 != 0 {
			depth := PadBF16(s.taps() * s.In)
			rows := AsBF16(scratch)[:b.rows*depth]
			l.gather(rows, x, s, b, depth)
			l.panelRounded(y[b.first*s.Out+j:], s.Out, b.rows, columns, rows, depth, panel, room[:1], depth, p, scratch[len(rows)/2:])
			continue
		}
		segs := room[:b.tapsInside]
		for i, tap := range b.taps[:b.tapsInside] {
			segs[i] = segment{a: tap.a * s.In, b: tap.b * s.In * panelBF16}
		}
		l.panelRounded(y[b.first*s.Out+j:], s.Out, b.rows, columns, x, s.In, panel, segs, s.In, p, scratch)
	}
}

// gather copies the taps of each row of a block to one stretch of depth numbers, zero for those outside.
func (l Level) gather(rows, x []BF16, s ConvShape, block *ConvBlock, depth int) {
	clear(rows)
	for _, tap := range block.taps[:block.tapsInside] { // in order: gatherWide writes zeros where the next begins
		from, to := x[tap.a*s.In:], rows[tap.b*s.In:]
		for i := l.gatherWide(to, depth, from, s.In, block.rows); i < block.rows; i++ {
			copy(to[i*depth:], from[i*s.In:][:s.In])
		}
	}
}
