//go:build !noasm

package ops

// Each function is in winograd_amd64.h: its name tells the algorithm and the transform.

//go:noescape
func f4InputAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f4OutputAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)

//go:noescape
func f4GradientAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f4KernelAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f4FromKernelAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f2InputAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f2OutputAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)

//go:noescape
func f2GradientAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f2KernelAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f2FromKernelAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func map2InputAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func map2OutputAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)

//go:noescape
func map2GradientAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func map2KernelAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func map2FromKernelAVX2(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f4InputAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f4OutputAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)

//go:noescape
func f4GradientAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f4KernelAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f4FromKernelAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f2InputAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f2OutputAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)

//go:noescape
func f2GradientAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f2KernelAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func f2FromKernelAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func map2InputAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func map2OutputAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32, floor float32)

//go:noescape
func map2GradientAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func map2KernelAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

//go:noescape
func map2FromKernelAVX512(dst, src *[36]*float32, rows, n, dstStep, srcStep int, tmp *float32)

func (l Level) applyTo(w Winograd, k transform, dst, src *planes, rows, n, dstStep, srcStep int, floor float32, tmp []float32) {
	if l == Generic {
		applyGeneric(w, k, dst, src, rows, n, dstStep, srcStep, floor)
		return
	}
	var d, s [36]*float32
	from, to := w.sides(k)
	for i := range from * from {
		s[i] = &src[i][0]
	}
	for i := range to * to {
		d[i] = &dst[i][0]
	}
	if l >= AVX512 {
		applyAVX512(w, k, &d, &s, rows, n, dstStep, srcStep, floor, &tmp[0])
	} else {
		applyAVX2(w, k, &d, &s, rows, n, dstStep, srcStep, floor, &tmp[0])
	}
}

func applyAVX2(w Winograd, k transform, dst, src *[36]*float32, rows, n, dstStep, srcStep int, floor float32, tmp *float32) {
	switch w {
	case F4:
		switch k {
		case toInput:
			f4InputAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case toOutput:
			f4OutputAVX2(dst, src, rows, n, dstStep, srcStep, tmp, floor)
		case toGradient:
			f4GradientAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case toKernel:
			f4KernelAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case fromKernel:
			f4FromKernelAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		}
	case F2:
		switch k {
		case toInput:
			f2InputAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case toOutput:
			f2OutputAVX2(dst, src, rows, n, dstStep, srcStep, tmp, floor)
		case toGradient:
			f2GradientAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case toKernel:
			f2KernelAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case fromKernel:
			f2FromKernelAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		}
	case Map2:
		switch k {
		case toInput:
			map2InputAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case toOutput:
			map2OutputAVX2(dst, src, rows, n, dstStep, srcStep, tmp, floor)
		case toGradient:
			map2GradientAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case toKernel:
			map2KernelAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		case fromKernel:
			map2FromKernelAVX2(dst, src, rows, n, dstStep, srcStep, tmp)
		}
	}
}

func applyAVX512(w Winograd, k transform, dst, src *[36]*float32, rows, n, dstStep, srcStep int, floor float32, tmp *float32) {
	switch w {
	case F4:
		switch k {
		case toInput:
			f4InputAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case toOutput:
			f4OutputAVX512(dst, src, rows, n, dstStep, srcStep, tmp, floor)
		case toGradient:
			f4GradientAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case toKernel:
			f4KernelAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case fromKernel:
			f4FromKernelAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		}
	case F2:
		switch k {
		case toInput:
			f2InputAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case toOutput:
			f2OutputAVX512(dst, src, rows, n, dstStep, srcStep, tmp, floor)
		case toGradient:
			f2GradientAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case toKernel:
			f2KernelAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case fromKernel:
			f2FromKernelAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		}
	case Map2:
		switch k {
		case toInput:
			map2InputAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case toOutput:
			map2OutputAVX512(dst, src, rows, n, dstStep, srcStep, tmp, floor)
		case toGradient:
			map2GradientAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case toKernel:
			map2KernelAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		case fromKernel:
			map2FromKernelAVX512(dst, src, rows, n, dstStep, srcStep, tmp)
		}
	}
}
