// Package freemem says how much memory a program may take.
package freemem

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
)

// Heap returns the bytes that Go's heap can grow within its own limit, which the environment
// variable GOMEMLIMIT sets.
func Heap() int {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return math.MaxInt
	}
	sizes := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sizes)
	used := int64(sizes[0].Value.Uint64() - sizes[1].Value.Uint64()) // as the limit counts it
	return int(max(0, limit-used))
}
