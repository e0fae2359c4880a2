//go:build (!amd64 && !arm64) || noasm

package ops

func (Level) packRowsWide(_ []float32, _, _ int, _ []float32, _, _, _ int) (rows, columns int) {
	return 0, 0
}

func (Level) transposeWide(_ []float32, _ int, _ []float32, _, _, _ int) (rows, columns int) {
	return 0, 0
}
