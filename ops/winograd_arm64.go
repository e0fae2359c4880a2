//go:build !noasm

package ops

// winogradArgs are the arguments of winogradNEON; see Level.apply.
type winogradArgs struct {
	dst, src         [36]*float32
	rows, n          int
	dstStep, srcStep int
	tmp              *float32
	index            int // of the transform: algorithm by algorithm, as the table in winograd_kernels.h
	floor            float32
}

//go:noescape
func winogradNEON(p *winogradArgs)

func (l Level) applyTo(w Winograd, k transform, dst, src *planes, rows, n, dstStep, srcStep int,
	floor float32, tmp []float32) {
	if l == Generic {
		applyGeneric(w, k, dst, src, rows, n, dstStep, srcStep, floor)
		return
	}
	const transforms = int(fromKernel) + 1
	var p winogradArgs // a literal would be built elsewhere and copied
	p.rows, p.n, p.dstStep, p.srcStep = rows, n, dstStep, srcStep
	p.tmp, p.index, p.floor = &tmp[0], int(w)*transforms+int(k), floor
	from, to := w.sides(k)
	for i := range from * from {
		p.src[i] = &src[i][0]
	}
	for i := range to * to {
		p.dst[i] = &dst[i][0]
	}
	winogradNEON(&p)
}
