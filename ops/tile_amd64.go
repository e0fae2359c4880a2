//go:build !noasm

package ops

import "math"

// tileRows is the number of rows of C that the tile kernels keep in registers.
const tileRows = 6

// fetchLead is by how many rows what is fetched is ahead of what is copied: some 800 ns, as the rows may come from memory.
const fetchLead = 16

//go:noescape
func panelAVX512(c *float32, ldc int, a *float32, rs, cs int, b *float32, ldb int, segs *segment, n, k, tiles, large, height int, bias *float32, flags int, ahead *float32, stride int, lag int, to *float32, copies, untilFetch, fetchEvery int)

//go:noescape
func panelAVX2(c *float32, ldc int, a *float32, rs, cs int, b *float32, ldb int, segs *segment, n, k, tiles, large, height int, bias *float32, flags int, ahead *float32, stride, untilFetch, fetchEvery int)

func (l Level) panelTiles(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int, segs []segment, k int, bias []float32, flags int, next ahead) {
	var bias0 *float32
	if bias != nil {
		bias0 = &bias[0]
	}
	n, large, height := tiles(rows)
	fetch, to := &b[0], (*float32)(nil)
	stride, lag, copies := k*l.panelWidth()/4, 0, 0   // a packed panel in quarters
	untilFetch, fetchEvery := 0, n*256/l.panelWidth() // all k rows of it in n·k steps, 256 numbers at a time
	switch {
	case len(next.to) > 0:
		stride, copies = next.stride, k
		_, _ = next.from[(k-1)*stride+l.panelWidth()-1], next.to[k*l.panelWidth()-1]
		lead := min(k-1, fetchLead)
		fetch, to = &next.from[lead*stride], &next.to[0]
		lag = -4 * (lead + 1) * stride // from the row after the one just fetched
		fetchEvery = math.MaxInt       // nothing more after that
	case len(next.from) > 0:
		fetch = &next.from[0]
	default:
		untilFetch = math.MaxInt
	}
	if l == AVX2 {
		panelAVX2(&c[0], ldc, &a[0], rs, cs, &b[0], ldb, &segs[0], len(segs), k, n, large, height, bias0, flags, fetch, stride, untilFetch, fetchEvery)
		return
	}
	panelAVX512(&c[0], ldc, &a[0], rs, cs, &b[0], ldb, &segs[0], len(segs), k, n, large, height, bias0, flags, fetch, stride, lag, to, copies, untilFetch, fetchEvery)
}

// packsAhead tells whether the kernel can pack the next panel while it multiplies rows rows by one of depth k: it copies a row
// with every 16 steps.
func (l Level) packsAhead(rows, k int) bool {
	n, _, _ := tiles(rows)
	return l >= AVX512 && n*(k/4) >= 4*k
}

// tiles returns how many tiles rows rows make, and of how many rows the first large of
// them are; the others have one less. Tiles of nearly equal height waste no row.
func tiles(rows int) (n, large, height int) {
	n = (rows + tileRows - 1) / tileRows
	height = rows / n
	large = rows % n
	if large > 0 {
		height++
	} else {
		large = n
	}
	return n, large, height
}
