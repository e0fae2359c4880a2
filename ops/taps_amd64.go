//go:build !noasm

package ops

import "unsafe"

// tapArgs are the arguments of the kernels over taps: see taps_amd64.h. The pixels x are of float32
// or of BF16. Unused taps repeat the first.
type tapArgs struct {
	x       [tapGroup]unsafe.Pointer
	w       [tapGroup]*float32
	y       unsafe.Pointer // float32; dy of depthwiseGrad has the type of x
	bias    *float32       // or nil
	other   *float32       // see pool_kernels.h; of the first tap in pool_amd64.s
	rows    int
	columns int // bytes
	stride  int // bytes from a row to the next
	taps    int
	//lint:ignore U1000 the kernels keep their column here
	column  int
	numbers [tapGroup]float32 // of taps
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

//go:noescape
func depthwiseBF16AVX2(p *tapArgs)

//go:noescape
func depthwiseAddBF16AVX2(p *tapArgs)

//go:noescape
func depthwiseGradBF16AVX2(p *tapArgs)

//go:noescape
func depthwiseBF16AVX512(p *tapArgs)

//go:noescape
func depthwiseAddBF16AVX512(p *tapArgs)

//go:noescape
func depthwiseGradBF16AVX512(p *tapArgs)

//go:noescape
func maxTapsAVX2(p *tapArgs)

//go:noescape
func maxTapsMoreAVX2(p *tapArgs)

//go:noescape
func firstMaxAVX2(p *tapArgs)

//go:noescape
func countMaxAVX2(p *tapArgs)

//go:noescape
func routeTapsAVX2(p *tapArgs)

//go:noescape
func routeSharesAVX2(p *tapArgs)

//go:noescape
func maxTapsBF16AVX2(p *tapArgs)

//go:noescape
func maxTapsMoreBF16AVX2(p *tapArgs)

//go:noescape
func firstMaxBF16AVX2(p *tapArgs)

//go:noescape
func countMaxBF16AVX2(p *tapArgs)

// isBF16 reports which of the two elements T is.
func isBF16[T Element]() bool { return elementSize[T]() == 2 }

// elementSize returns the bytes of an element.
func elementSize[T Element]() int { return int(unsafe.Sizeof(*new(T))) }

// setPixels sets the addresses of the pixels, from an element on.
func setPixels[T Element](p *tapArgs, x []T, taps []Tap, element int) {
	p.taps, p.column = len(taps), 0
	for k := range p.x {
		p.x[k] = at(x, taps[min(k, len(taps)-1)].X+element)
	}
}

// setBlock sets the arguments for a block from a row and a column on.
func setBlock[T Element](p *tapArgs, x []T, w []float32, taps []Tap, b Block, row, rows, column, columns int) {
	size := elementSize[T]()
	p.rows, p.columns, p.stride = rows, size*columns, size*b.Stride
	setPixels(p, x, taps, row*b.Stride+column)
	for k := range p.w {
		p.w[k] = &w[taps[min(k, len(taps)-1)].W+column]
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

// The methods call their kernels for all chunks, and return how many columns or elements they
// computed.

func depthwiseWide[T Element](l Level, y []float32, x []T, w []float32, taps []Tap, bias []float32, b Block, add bool) int {
	return l.eachChunk(b, func(row, rows, column, columns int, wide bool) {
		var p tapArgs
		setBlock(&p, x, w, taps, b, row, rows, column, columns)
		p.y = at(y, row*b.Stride+column)
		if bias != nil {
			p.bias = &bias[column]
		}
		switch bf16 := isBF16[T](); {
		case bf16 && wide && add:
			depthwiseAddBF16AVX512(&p)
		case bf16 && wide:
			depthwiseBF16AVX512(&p)
		case bf16 && add:
			depthwiseAddBF16AVX2(&p)
		case bf16:
			depthwiseBF16AVX2(&p)
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

func depthwiseGradWide[T Element](l Level, dw []float32, dy, x []T, taps []Tap, b Block) int {
	return l.eachChunk(b, func(row, rows, column, columns int, wide bool) {
		var p tapArgs
		setBlock(&p, x, dw, taps, b, row, rows, column, columns)
		p.y = at(dy, row*b.Stride+column)
		switch bf16 := isBF16[T](); {
		case bf16 && wide:
			depthwiseGradBF16AVX512(&p)
		case bf16:
			depthwiseGradBF16AVX2(&p)
		case wide:
			depthwiseGradAVX512(&p)
		default:
			depthwiseGradAVX2(&p)
		}
	})
}

// eachElements calls f for chunks of n elements that are whole vectors, and returns how many these
// are.
func (l Level) eachElements(n int, f func(i, n int)) int {
	n = l.whole(n)
	for i := 0; i < n; i += chunkSize {
		f(i, min(chunkSize, n-i))
	}
	return n
}

// setElements sets the arguments for n elements of pixels, from element i on.
func setElements[T Element](p *tapArgs, y []float32, x []T, taps []Tap, i, n int) {
	p.rows, p.columns, p.y = n/8, 8*elementSize[T](), at(y, i)
	setPixels(p, x, taps, i)
	for k, t := range taps {
		p.numbers[k] = float32(t.W)
	}
}

func maxTapsWide[T Element](l Level, y []float32, x []T, taps []Tap, more bool) int {
	return l.eachElements(len(y), func(i, n int) {
		var p tapArgs
		setElements(&p, y, x, taps, i, n)
		switch bf16 := isBF16[T](); {
		case bf16 && more:
			maxTapsMoreBF16AVX2(&p)
		case bf16:
			maxTapsBF16AVX2(&p)
		case more:
			maxTapsMoreAVX2(&p)
		default:
			maxTapsAVX2(&p)
		}
	})
}

func firstMaxWide[T Element](l Level, which, most []float32, x []T, taps []Tap) int {
	return l.eachElements(len(most), func(i, n int) {
		var p tapArgs
		setElements(&p, most, x, taps, i, n)
		p.other = &which[i]
		if isBF16[T]() {
			firstMaxBF16AVX2(&p)
		} else {
			firstMaxAVX2(&p)
		}
	})
}

func countMaxWide[T Element](l Level, count, most []float32, x []T, taps []Tap) int {
	return l.eachElements(len(count), func(i, n int) {
		var p tapArgs
		setElements(&p, count, x, taps, i, n)
		p.other = &most[i]
		if isBF16[T]() {
			countMaxBF16AVX2(&p)
		} else {
			countMaxAVX2(&p)
		}
	})
}

func (l Level) routeTapsWide(dx, dy, which []float32, taps []Tap) int {
	return l.eachElements(len(dx), func(i, n int) {
		var p tapArgs
		setElements(&p, dx, dy, taps, i, n)
		p.other = &which[taps[0].X+i]
		routeTapsAVX2(&p)
	})
}

func (l Level) routeSharesWide(dx, x, share, most []float32, taps []Tap) int {
	return l.eachElements(len(dx), func(i, n int) {
		var p tapArgs
		setElements(&p, dx, share, taps, i, n)
		p.other, p.bias = &most[taps[0].X+i], &x[i]
		routeSharesAVX2(&p)
	})
}
