//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"slices"

	"github.com/lamina-go/lamina/tensor"
)

// postponed is a bias that has not been added to its rows, since a BatchNorm follows. That takes
// any constant away again, and needs the bias for the running mean only.
type postponed struct {
	y, bias        C.CUdeviceptr
	rows, channels int
}

// addBias adds the bias, unless it is 0, to rows of channels, and applies a function. Where a
// BatchNorm follows in this step, it may do so.
func (b *Backend) addBias(y, bias C.CUdeviceptr, rows, channels int, f tensor.Function, batchNorm bool) {
	if bias == 0 && f == (tensor.Function{}) {
		return
	}
	if batchNorm && b.inStep && f == (tensor.Function{}) {
		b.postponed = append(b.postponed, postponed{y, bias, rows, channels})
		return
	}
	name, last := floorOr("add_bias", f)
	b.rows(name, rows, channels, append([]argument{pointer(y), pointer(bias), count(rows), integer(channels)}, last...)...)
}

// takeBias returns the bias that has not been added to y, 0 if there is none.
func (b *Backend) takeBias(y C.CUdeviceptr) (bias C.CUdeviceptr) {
	b.postponed = slices.DeleteFunc(b.postponed, func(p postponed) bool {
		if p.y == y {
			bias = p.bias
		}
		return p.y == y
	})
	return bias
}

// addPostponed adds the biases that no BatchNorm has taken.
func (b *Backend) addPostponed() {
	for _, p := range b.postponed {
		b.rows("add_bias", p.rows, p.channels, pointer(p.y), pointer(p.bias), count(p.rows), integer(p.channels), flag(false))
	}
	b.postponed = b.postponed[:0]
}

// biasGradient sums dy over the rows, or, before a BatchNorm, sets db to zero. Without a bias, db
// is 0, and nothing is done.
func (b *Backend) biasGradient(db, dy C.CUdeviceptr, rows, channels int, batchNorm bool) {
	switch {
	case db == 0 || b.err != nil:
	case batchNorm: // which removes any constant
		b.fail(cuda(b, "cuMemsetD8Async", C.lamina_cuMemsetD8Async(b.api, db, 0, C.size_t(4*channels), b.stream)))
	default:
		b.sumRows("column_sums", rows, channels, pointer(db), pointer(dy), pointer(b.memory.sums.at), pointer(b.kernels.counters),
			count(rows), integer(channels))
	}
}
