package ops

// Pools of any window, for one pixel. Each element of a pixel is computed by itself, from the
// elements at the same place of other pixels, where the taps begin.

// Lanes is how many equal weights SumTaps reads for a tap.
const Lanes = 16

// SumTaps sets y[i] = Σ x[t.X+i]·w[t.W], over the taps t. Each weight of w is there Lanes times.
func (l Level) SumTaps(y, x, w []float32, taps []Tap) {
	whole := len(y) / Lanes
	if whole > 0 {
		l.Depthwise(y, x, w, taps, nil, Block{whole, Lanes, Lanes})
	}
	if rest := len(y) % Lanes; rest > 0 {
		l.Depthwise(y[whole*Lanes:], x[whole*Lanes:], w, taps, nil, Block{1, rest, rest})
	}
}

// eachGroup calls f for as many taps as a kernel takes at a time.
func eachGroup(taps []Tap, f func(taps []Tap, first bool)) {
	for i := 0; i < len(taps); i += tapGroup {
		f(taps[i:min(i+tapGroup, len(taps))], i == 0)
	}
}

// checkTaps panics unless x has n elements from each tap on.
func checkTaps(x []float32, taps []Tap, n int) {
	for _, t := range taps {
		_ = x[t.X:][:n]
	}
}

// MaxTaps sets y[i] to the largest x[t.X+i], a NaN if one is.
func (l Level) MaxTaps(y, x []float32, taps []Tap) {
	checkTaps(x, taps, len(y))
	eachGroup(taps, func(taps []Tap, first bool) {
		from := l.maxTapsWide(y, x, taps, !first)
		rest := y[from:]
		for k, t := range taps {
			row := x[t.X+from:][:len(rest)]
			if k == 0 && first {
				copy(rest, row)
				continue
			}
			for i, v := range row {
				rest[i] = max(rest[i], v)
			}
		}
	})
}

// FirstMax sets which[i] to the number t.W of the first tap with the largest x[t.X+i], and most[i]
// to that. A NaN is larger than nothing.
func (l Level) FirstMax(which, most, x []float32, taps []Tap) {
	if len(which) != len(most) {
		panic(errLength)
	}
	checkTaps(x, taps, len(most))
	copy(most, x[taps[0].X:])
	for i := range which {
		which[i] = float32(taps[0].W)
	}
	eachGroup(taps[1:], func(taps []Tap, _ bool) {
		from := l.firstMaxWide(which, most, x, taps)
		which, most := which[from:], most[from:]
		for _, t := range taps {
			for i, v := range x[t.X+from:][:len(most)] {
				if v > most[i] {
					most[i], which[i] = v, float32(t.W)
				}
			}
		}
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
	if len(dy) != len(share) || len(most) != len(share) {
		panic(errLength)
	}
	checkTaps(x, taps, len(share))
	clear(share)
	eachGroup(taps, func(taps []Tap, _ bool) {
		from := l.countMaxWide(share, most, x, taps)
		most, count := most[from:], share[from:]
		for _, t := range taps {
			for i, v := range x[t.X+from:][:len(most)] {
				if v == most[i] {
					count[i]++
				}
			}
		}
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
