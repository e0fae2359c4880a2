// Package boundtest has the bounds of time and memory that readers of hostile files keep.
package boundtest

import (
	"runtime"
	"testing"
	"time"
)

const (
	duration = 2 * time.Second
	memory   = 64 << 20 // bytes above the size of the file
)

// Within calls f, which reads a file of size bytes, and reports an error if f takes more than 2 s
// or allocates more than 64 MB above the size. All allocations count, also those that are garbage
// already. On a busy machine f may be slow, so it may need up to three calls.
func Within(t testing.TB, size int, f func()) {
	t.Helper()
	var took time.Duration
	var allocated uint64
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		f()
		took = time.Since(began)
		runtime.ReadMemStats(&after)
		allocated = after.TotalAlloc - before.TotalAlloc
		if took <= duration {
			break
		}
	}
	if took > duration || allocated > memory+uint64(size) {
		t.Errorf("%v and %d MB for a file of %d bytes", took, allocated>>20, size)
	}
}
