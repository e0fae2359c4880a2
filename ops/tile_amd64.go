//go:build !noasm

package ops

// tileRows is the number of rows of C that the tile kernels keep in registers.
const tileRows = 6

//go:noescape
func panelAVX512(c *float32, ldc int, a *float32, rs, cs int, b *float32, ldb int, segs *Segment, n, k, tiles, large, height int, bias *float32, flags int, ahead *float32)

//go:noescape
func panelAVX2(c *float32, ldc int, a *float32, rs, cs int, b *float32, ldb int, segs *Segment, n, k, tiles, large, height int, bias *float32, flags int)

func (l Level) panelTiles(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int, segs []Segment, k int, bias []float32, flags int, ahead []float32) {
	var bias0 *float32
	if bias != nil {
		bias0 = &bias[0]
	}
	n, large, height := tiles(rows)
	if l >= AVX512 {
		ahead0 := &b[0] // is there already
		if len(ahead) > 0 {
			ahead0 = &ahead[0]
		}
		panelAVX512(&c[0], ldc, &a[0], rs, cs, &b[0], ldb, &segs[0], len(segs), k, n, large, height, bias0, flags, ahead0)
	} else {
		panelAVX2(&c[0], ldc, &a[0], rs, cs, &b[0], ldb, &segs[0], len(segs), k, n, large, height, bias0, flags)
	}
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
