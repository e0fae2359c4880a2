//go:build !noasm

package ops

// tileRows is the number of rows of C that the tile kernels keep in registers.
const tileRows = 6

// fetchLead is by how many rows what is fetched is ahead of what is copied: some 800 ns, as the rows may come from memory.
const fetchLead = 16

//go:noescape
func panelAVX512(c *float32, ldc int, a *float32, rs, cs int, b *float32, ldb int, segs *Segment, n, k, tiles, large, height int, bias *float32, flags int, ahead *float32, stride int, from, to *float32, rows int)

//go:noescape
func panelAVX2(c *float32, ldc int, a *float32, rs, cs int, b *float32, ldb int, segs *Segment, n, k, tiles, large, height int, bias *float32, flags int)

func (l Level) panelTiles(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int, segs []Segment, k int, bias []float32, flags int, next ahead) {
	var bias0 *float32
	if bias != nil {
		bias0 = &bias[0]
	}
	n, large, height := tiles(rows)
	if l == AVX2 {
		panelAVX2(&c[0], ldc, &a[0], rs, cs, &b[0], ldb, &segs[0], len(segs), k, n, large, height, bias0, flags)
		return
	}
	fetch, stride, copied := &b[0], 0, 0 // is there already
	var from, to *float32
	if len(next.from) > 0 {
		fetch, stride = &next.from[0], next.stride
	}
	if len(next.to) > 0 {
		_, _ = next.from[(k-1)*stride+l.panelWidth()-1], next.to[k*l.panelWidth()-1]
		from, to, copied = fetch, &next.to[0], k
		fetch = &next.from[min(k-1, fetchLead)*stride]
	}
	panelAVX512(&c[0], ldc, &a[0], rs, cs, &b[0], ldb, &segs[0], len(segs), k, n, large, height, bias0, flags, fetch, stride, from, to, copied)
}

// packsAhead tells whether the kernel can pack the next panel while it multiplies rows rows by one of depth k: it copies a row
// with every 16 steps.
func (l Level) packsAhead(rows, k int) bool {
	n, _, _ := tiles(rows)
	return l >= AVX512 && k >= 4 && n*((k-4)/16+1) >= k
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
