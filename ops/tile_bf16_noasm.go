//go:build !amd64 || noasm

package ops

func (Level) panelTilesBF16(_ []float32, _, _ int, _ []BF16, _ int, _ []BF16,
	_ []segment, _, _ int, _ prefetchBF16) bool {
	return false
}

func (Level) panelTilesRounded(_ []BF16, _, _ int, _ []BF16, _ int, _ []BF16,
	_ []segment, _ int, _ Epilogue, _ []float32) bool {
	return false
}
