//go:build (!amd64 && !arm64) || noasm

package ops

func (l Level) panelTiles(c []float32, ldc, rows int, a []float32, rs, cs int, b []float32, ldb int,
	segs []segment, k int, bias []float32, flags int, _ prefetch) {
	panelGeneric(c, ldc, rows, a, rs, cs, b, ldb, segs, k, bias, flags)
}

func (Level) packsNext(_, _ int) bool { return false }
