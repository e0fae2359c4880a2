//go:build !amd64 || noasm

package ops

func (Level) storeRowsWide(_ []float32, _ int, _ []float32, _, _, _ int) bool { return false }
