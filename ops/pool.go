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

// MaxTaps sets y[i] to the largest x[t.X+i], a NaN if one is.
func (l Level) MaxTaps(y, x []float32, taps []Tap) {
	for i := 0; i < len(taps); i += tapGroup {
		l.maxTaps(y, x, taps[i:min(i+tapGroup, len(taps))], i > 0)
	}
}

// maxTaps is MaxTaps of at most tapGroup taps. If more is set, y is one of the values.
func (l Level) maxTaps(y, x []float32, taps []Tap, more bool) {
	checkTaps(x, taps, len(y))
	from := l.maxTapsWide(y, x, taps, more)
	rest := y[from:]
	for k, t := range taps {
		row := x[t.X+from:][:len(rest)]
		if k == 0 && !more {
			copy(rest, row)
			continue
		}
		for i, v := range row {
			rest[i] = max(rest[i], v)
		}
	}
}

func checkTaps(x []float32, taps []Tap, n int) {
	for _, t := range taps {
		_ = x[t.X:][:n]
	}
}

// FirstMax sets which[i] to the number t.W of the first tap with the largest x[t.X+i], and most[i]
// to that. Where one is a NaN, it is one of the taps.
func (l Level) FirstMax(which, most, x []float32, taps []Tap) {
	if len(which) != len(most) {
		panic(errLength)
	}
	for k, t := range taps {
		row := x[t.X:][:len(most)]
		if k == 0 {
			copy(most, row)
			for i := range which {
				which[i] = float32(t.W)
			}
			continue
		}
		for i, v := range row {
			if v > most[i] {
				most[i], which[i] = v, float32(t.W)
			}
		}
	}
}

// RouteTaps sets dx[i] = Σ dy[t.X+i], over the taps t with which[t.X+i] = t.W.
func (l Level) RouteTaps(dx, dy, which []float32, taps []Tap) {
	clear(dx)
	for _, t := range taps {
		d, w := dy[t.X:][:len(dx)], which[t.X:][:len(dx)]
		for i := range dx {
			if w[i] == float32(t.W) {
				dx[i] += d[i]
			}
		}
	}
}

// ShareMax sets share[i] to dy[i] divided by the number of taps t with x[t.X+i] = most[i].
func ShareMax(share, dy, most, x []float32, taps []Tap) {
	for i := range share {
		count := float32(0)
		for _, t := range taps {
			if alike(x[t.X+i], most[i]) {
				count++
			}
		}
		share[i] = dy[i] / count
	}
}

// RouteShares sets dx[i] = Σ share[t.X+i], over the taps t with most[t.X+i] = x[i]. dx may be x.
func RouteShares(dx, x, share, most []float32, taps []Tap) {
	for i := range dx {
		var sum float32
		for _, t := range taps {
			if alike(most[t.X+i], x[i]) {
				sum += share[t.X+i]
			}
		}
		dx[i] = sum
	}
}

// alike reports whether a and b are equal, or both NaN.
func alike(a, b float32) bool { return a == b || a != a && b != b }
