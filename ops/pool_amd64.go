//go:build !noasm

package ops

//go:noescape
func maxTapsAVX2(p *tapArgs)

//go:noescape
func maxTapsMoreAVX2(p *tapArgs)

//go:noescape
func firstMaxAVX2(p *tapArgs)

//go:noescape
func routeTapsAVX2(p *tapArgs)

//go:noescape
func countMaxAVX2(p *tapArgs)

//go:noescape
func routeSharesAVX2(p *tapArgs)

// eachElements calls f for chunks of n elements that are whole vectors, and returns how many these
// are.
func (l Level) eachElements(n int, f func(i, n int)) int {
	n = l.whole(n)
	for i := 0; i < n; i += chunkSize {
		f(i, min(chunkSize, n-i))
	}
	return n
}

// pixels sets the arguments for n elements of pixels, from element i on.
func (p *tapArgs) pixels(y, x []float32, taps []Tap, i, n int) {
	p.rows, p.columns, p.taps, p.y = n/8, 32, len(taps), &y[i]
	for k := range p.x {
		t := taps[min(k, len(taps)-1)]
		p.x[k], p.numbers[k] = &x[t.X+i], float32(t.W)
	}
}

func (l Level) maxTapsWide(y, x []float32, taps []Tap, more bool) int {
	return l.eachElements(len(y), func(i, n int) {
		var p tapArgs
		p.pixels(y, x, taps, i, n)
		if more {
			maxTapsMoreAVX2(&p)
		} else {
			maxTapsAVX2(&p)
		}
	})
}

func (l Level) firstMaxWide(which, most, x []float32, taps []Tap) int {
	return l.eachElements(len(most), func(i, n int) {
		var p tapArgs
		p.pixels(most, x, taps, i, n)
		p.other = &which[i]
		firstMaxAVX2(&p)
	})
}

func (l Level) routeTapsWide(dx, dy, which []float32, taps []Tap) int {
	return l.eachElements(len(dx), func(i, n int) {
		var p tapArgs
		p.pixels(dx, dy, taps, i, n)
		p.other = &which[taps[0].X+i]
		routeTapsAVX2(&p)
	})
}

func (l Level) countMaxWide(count, most, x []float32, taps []Tap) int {
	return l.eachElements(len(count), func(i, n int) {
		var p tapArgs
		p.pixels(count, x, taps, i, n)
		p.other = &most[i]
		countMaxAVX2(&p)
	})
}

func (l Level) routeSharesWide(dx, x, share, most []float32, taps []Tap) int {
	return l.eachElements(len(dx), func(i, n int) {
		var p tapArgs
		p.pixels(dx, share, taps, i, n)
		p.other, p.bias = &most[taps[0].X+i], &x[i]
		routeSharesAVX2(&p)
	})
}
