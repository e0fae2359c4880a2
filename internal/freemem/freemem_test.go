package freemem

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestHeap(t *testing.T) {
	old := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(old)
	if got := Heap(); got != math.MaxInt {
		t.Errorf("without a limit: %d bytes", got)
	}
	const limit = 8 << 30
	debug.SetMemoryLimit(limit)
	if got := Heap(); got <= limit/2 || got >= limit {
		t.Errorf("%d bytes of %d", got, limit)
	}
	debug.SetMemoryLimit(1)
	if got := Heap(); got != 0 {
		t.Errorf("%d bytes of 1", got)
	}
}
