//go:build !noasm

package ops

// tapArgs are the arguments of the kernels over taps: see taps_arm64.s. Unused taps repeat the
// last.
type tapArgs struct {
	x       [tapGroup]*float32
	w       [tapGroup]*float32
	y       *float32
	bias    *float32 // or nil
	other   *float32 // of the first tap in routeTaps and routeShares
	rows    int
	columns int               // bytes
	stride  int               // bytes from a row to the next
	numbers [tapGroup]float32 // of taps
	taps    int
}

//go:noescape
func depthwiseNEON(p *tapArgs)

//go:noescape
func depthwiseAddNEON(p *tapArgs)

//go:noescape
func depthwiseGradNEON(p *tapArgs)

//go:noescape
func maxTapsNEON(p *tapArgs)

//go:noescape
func maxTapsMoreNEON(p *tapArgs)

//go:noescape
func firstMaxNEON(p *tapArgs)

//go:noescape
func countMaxNEON(p *tapArgs)

//go:noescape
func routeTapsNEON(p *tapArgs)

//go:noescape
func routeSharesNEON(p *tapArgs)

// setPixels sets the addresses of the pixels, from an element on, and the numbers of the taps.
func (p *tapArgs) setPixels(x []float32, taps []Tap, element int) {
	p.taps = len(taps)
	for k := range p.x {
		t := taps[min(k, len(taps)-1)]
		p.x[k], p.numbers[k] = &x[t.X+element], float32(t.W)
	}
}

// eachBlock calls f with the arguments for a chunk of rows and all columns that are whole vectors,
// and with the element at which it begins. It returns how many columns these are.
func (l Level) eachBlock(x, w []float32, taps []Tap, b Block, f func(p tapArgs, i int)) int {
	columns := b.Columns &^ 3
	if l == Generic || columns == 0 {
		return 0
	}
	chunk := max(1, chunkSize/columns)
	p := tapArgs{columns: 4 * columns, stride: 4 * b.Stride}
	for k := range p.w {
		p.w[k] = &w[taps[min(k, len(taps)-1)].W]
	}
	for r := 0; r < b.Rows; r += chunk {
		p.rows = min(chunk, b.Rows-r)
		p.setPixels(x, taps, r*b.Stride)
		f(p, r*b.Stride)
	}
	return columns
}

// The methods call their kernels for all chunks, and return how many columns or elements they
// computed. They compute nothing of bf16.

func depthwiseWide[T Element](l Level, y []float32, x []T, w []float32, taps []Tap, bias []float32, b Block, add bool) int {
	pixels, ok := any(x).([]float32)
	if !ok {
		return 0
	}
	return l.eachBlock(pixels, w, taps, b, func(p tapArgs, i int) {
		p.y = &y[i]
		if bias != nil {
			p.bias = &bias[0]
		}
		if add {
			depthwiseAddNEON(&p)
		} else {
			depthwiseNEON(&p)
		}
	})
}

func depthwiseGradWide[T Element](l Level, dw []float32, dy, x []T, taps []Tap, b Block) int {
	pixels, ok := any(x).([]float32)
	if !ok {
		return 0
	}
	gradient := any(dy).([]float32)
	return l.eachBlock(pixels, dw, taps, b, func(p tapArgs, i int) {
		p.y = &gradient[i]
		depthwiseGradNEON(&p)
	})
}

// eachPixels calls f with the arguments for chunks of n elements, and with the element at which one
// begins. A row of the kernel is a vector.
func (l Level) eachPixels(y, x []float32, taps []Tap, f func(p tapArgs, i int)) int {
	return l.eachElements(len(y), func(i, n int) {
		p := tapArgs{y: &y[i], rows: n / 4, columns: 16, stride: 16}
		p.setPixels(x, taps, i)
		f(p, i)
	})
}

func maxTapsWide[T Element](l Level, y []float32, x []T, taps []Tap, more bool) int {
	pixels, ok := any(x).([]float32)
	if !ok {
		return 0
	}
	return l.eachPixels(y, pixels, taps, func(p tapArgs, _ int) {
		if more {
			maxTapsMoreNEON(&p)
		} else {
			maxTapsNEON(&p)
		}
	})
}

func firstMaxWide[T Element](l Level, which, most []float32, x []T, taps []Tap) int {
	pixels, ok := any(x).([]float32)
	if !ok {
		return 0
	}
	return l.eachPixels(most, pixels, taps, func(p tapArgs, i int) {
		p.other = &which[i]
		firstMaxNEON(&p)
	})
}

func countMaxWide[T Element](l Level, count, most []float32, x []T, taps []Tap) int {
	pixels, ok := any(x).([]float32)
	if !ok {
		return 0
	}
	return l.eachPixels(count, pixels, taps, func(p tapArgs, i int) {
		p.other = &most[i]
		countMaxNEON(&p)
	})
}

func (l Level) routeTapsWide(dx, dy, which []float32, taps []Tap) int {
	return l.eachPixels(dx, dy, taps, func(p tapArgs, i int) {
		p.other = &which[taps[0].X+i]
		routeTapsNEON(&p)
	})
}

func (l Level) routeSharesWide(dx, x, share, most []float32, taps []Tap) int {
	return l.eachPixels(dx, share, taps, func(p tapArgs, i int) {
		p.other, p.bias = &most[taps[0].X+i], &x[i]
		routeSharesNEON(&p)
	})
}
