//go:build (!amd64 && !arm64) || noasm

package ops

func (l Level) applyTo(w Winograd, k transform, dst, src *planes, rows, n, dstStep, srcStep int,
	floor float32, _ []float32) {
	applyGeneric(w, k, dst, src, rows, n, dstStep, srcStep, floor)
}
