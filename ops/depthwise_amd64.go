//go:build !noasm

package ops

// tapArgs are the arguments of the kernels over taps: see taps_amd64.h. Unused taps repeat the
// first.
type tapArgs struct {
	x, w    [tapGroup]*float32
	y       *float32
	bias    *float32 // or nil; in of routeShares
	other   *float32 // which or most of pools; of those of a tap the first
	rows    int
	columns int // bytes
	stride  int // bytes from a row to the next
	taps    int
	column  int               // of the kernel
	numbers [tapGroup]float32 // of the taps, in place of w
}

//go:noescape
func depthwiseAVX2(p *tapArgs)

//go:noescape
func depthwiseAddAVX2(p *tapArgs)

//go:noescape
func depthwiseGradAVX2(p *tapArgs)

//go:noescape
func depthwiseAVX512(p *tapArgs)

//go:noescape
func depthwiseAddAVX512(p *tapArgs)

//go:noescape
func depthwiseGradAVX512(p *tapArgs)

// at points to the taps at an element of y and of each x, and to the weights of a column.
func (p *tapArgs) at(y, x, w []float32, taps []Tap, element, column int) {
	p.y, p.taps = &y[element], len(taps)
	for k := range p.x {
		t := taps[0]
		if k < len(taps) {
			t = taps[k]
		}
		p.x[k], p.w[k] = &x[t.X+element], &w[t.W+column]
	}
}

// eachChunk calls f for whole vectors of columns, 16 or 8 floats wide, and a chunk of rows at a
// time. It returns how many columns these are.
func (l Level) eachChunk(b Block, f func(row, rows, column, columns int, wide bool)) (done int) {
	for width := 16; width >= 8; width /= 2 {
		columns := (b.Columns - done) &^ (width - 1)
		if columns == 0 || l < AVX2 || width == 16 && l < AVX512 {
			continue
		}
		chunk := max(1, chunkSize/columns)
		for r := 0; r < b.Rows; r += chunk {
			f(r, min(chunk, b.Rows-r), done, columns, width == 16)
		}
		done += columns
	}
	return done
}

func (l Level) depthwiseWide(y, x, w []float32, taps []Tap, bias []float32, b Block, add bool) int {
	return l.eachChunk(b, func(row, rows, column, columns int, wide bool) {
		var p tapArgs
		p.rows, p.columns, p.stride = rows, 4*columns, 4*b.Stride
		p.at(y, x, w, taps, row*b.Stride+column, column)
		if bias != nil {
			p.bias = &bias[column]
		}
		switch {
		case wide && add:
			depthwiseAddAVX512(&p)
		case wide:
			depthwiseAVX512(&p)
		case add:
			depthwiseAddAVX2(&p)
		default:
			depthwiseAVX2(&p)
		}
	})
}

func (l Level) depthwiseGradWide(dw, dy, x []float32, taps []Tap, b Block) int {
	return l.eachChunk(b, func(row, rows, column, columns int, wide bool) {
		var p tapArgs
		p.rows, p.columns, p.stride = rows, 4*columns, 4*b.Stride
		p.at(dy, x, dw, taps, row*b.Stride+column, column)
		if wide {
			depthwiseGradAVX512(&p)
		} else {
			depthwiseGradAVX2(&p)
		}
	})
}
