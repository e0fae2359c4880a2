package ops

// Pools of any window, for one pixel. Each element of a pixel is computed by itself, from the
// elements at the same place of other pixels, where the taps begin.

// SumTaps sets y[i] = Σ x[t.X+i]·w[t.W], over the taps t. Each weight of w is there Lanes times.
func (l Level) SumTaps(y, x, w []float32, taps []Tap) { sumTaps(l, y, x, w, taps) }

// SumTapsBF16 is SumTaps of an x in bf16.
func (l Level) SumTapsBF16(y []float32, x []BF16, w []float32, taps []Tap) { sumTaps(l, y, x, w, taps) }

func sumTaps[T Element](l Level, y []float32, x []T, w []float32, taps []Tap) {
	whole := len(y) / Lanes
	if whole > 0 {
		depthwise(l, y, x, w, taps, nil, Block{whole, Lanes, Lanes})
	}
	if rest := len(y) % Lanes; rest > 0 {
		depthwise(l, y[whole*Lanes:], x[whole*Lanes:], w, taps, nil, Block{1, rest, rest})
	}
}

// MaxTaps sets y[i] to the largest x[t.X+i], a NaN if one is.
func (l Level) MaxTaps(y, x []float32, taps []Tap) { poolMax(l, y, x, taps) }

// MaxTapsBF16 is MaxTaps of an x in bf16.
func (l Level) MaxTapsBF16(y []float32, x []BF16, taps []Tap) { poolMax(l, y, x, taps) }

func poolMax[T Element](l Level, y []float32, x []T, taps []Tap) {
	checkTaps(x, taps, len(y))
	eachGroup(taps, func(taps []Tap, first bool) {
		from := maxTapsWide(l, y, x, taps, !first)
		row(len(y)).eachLanes(from, func(_, c, n int) {
			var tmp [Lanes]float32
			y := y[c:][:n]
			for k, t := range taps {
				values := floats(x[t.X+c:][:n], &tmp)
				if k == 0 && first {
					copy(y, values)
					continue
				}
				for i, v := range values {
					y[i] = max(y[i], v)
				}
			}
		})
	})
}

// row returns the block of one row.
func row(n int) Block { return Block{1, n, n} }

// FirstMax sets which[i] to the number t.W of the first tap with the largest x[t.X+i], and most[i]
// to that. A NaN is larger than nothing.
func (l Level) FirstMax(which, most, x []float32, taps []Tap) { firstMax(l, which, most, x, taps) }

// FirstMaxBF16 is FirstMax of an x in bf16.
func (l Level) FirstMaxBF16(which, most []float32, x []BF16, taps []Tap) {
	firstMax(l, which, most, x, taps)
}

func firstMax[T Element](l Level, which, most []float32, x []T, taps []Tap) {
	if len(which) != len(most) {
		panic(errLength)
	}
	checkTaps(x, taps, len(most))
	poolMax(l, most, x, taps[:1])
	for i := range which {
		which[i] = float32(taps[0].W)
	}
	eachGroup(taps[1:], func(taps []Tap, _ bool) {
		from := firstMaxWide(l, which, most, x, taps)
		row(len(most)).eachLanes(from, func(_, c, n int) {
			var tmp [Lanes]float32
			for _, t := range taps {
				for i, v := range floats(x[t.X+c:][:n], &tmp) {
					if v > most[c+i] {
						most[c+i], which[c+i] = v, float32(t.W)
					}
				}
			}
		})
	})
}

// RouteTaps sets dx[i] = Σ dy[t.X+i], over the taps t with which[t.X+i] = t.W.
func (l Level) RouteTaps(dx, dy, which []float32, taps []Tap) {
	checkTaps(dy, taps, len(dx))
	checkTaps(which, taps, len(dx))
	clear(dx)
	eachGroup(taps, func(taps []Tap, _ bool) {
		from := l.routeTapsWide(dx, dy, which, taps)
		dx := dx[from:]
		for _, t := range taps {
			d, w := dy[t.X+from:][:len(dx)], which[t.X+from:][:len(dx)]
			for i := range dx {
				if w[i] == float32(t.W) {
					dx[i] += d[i]
				}
			}
		}
	})
}

// ShareMax sets share[i] to dy[i] divided by the number of taps t with x[t.X+i] = most[i]. share
// and dy must not overlap.
func (l Level) ShareMax(share, dy, most, x []float32, taps []Tap) {
	shareMax(l, share, dy, most, x, taps)
}

// ShareMaxBF16 is ShareMax of an x in bf16.
func (l Level) ShareMaxBF16(share, dy, most []float32, x []BF16, taps []Tap) {
	shareMax(l, share, dy, most, x, taps)
}

func shareMax[T Element](l Level, share, dy, most []float32, x []T, taps []Tap) {
	if len(dy) != len(share) || len(most) != len(share) {
		panic(errLength)
	}
	checkTaps(x, taps, len(share))
	clear(share)
	eachGroup(taps, func(taps []Tap, _ bool) {
		from := countMaxWide(l, share, most, x, taps)
		row(len(share)).eachLanes(from, func(_, c, n int) {
			var tmp [Lanes]float32
			for _, t := range taps {
				for i, v := range floats(x[t.X+c:][:n], &tmp) {
					if v == most[c+i] {
						share[c+i]++
					}
				}
			}
		})
	})
	for i, d := range dy {
		share[i] = d / share[i]
	}
}

// RouteShares sets dx[i] = Σ share[t.X+i], over the taps t with most[t.X+i] = x[i]. dx and x must
// not overlap.
func (l Level) RouteShares(dx, x, share, most []float32, taps []Tap) {
	if len(dx) != len(x) {
		panic(errLength)
	}
	checkTaps(share, taps, len(dx))
	checkTaps(most, taps, len(dx))
	clear(dx)
	eachGroup(taps, func(taps []Tap, _ bool) {
		from := l.routeSharesWide(dx, x, share, most, taps)
		dx, x := dx[from:], x[from:]
		for _, t := range taps {
			s, m := share[t.X+from:][:len(dx)], most[t.X+from:][:len(dx)]
			for i, v := range x {
				if m[i] == v {
					dx[i] += s[i]
				}
			}
		}
	})
}
