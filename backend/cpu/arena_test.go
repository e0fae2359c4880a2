package cpu

import (
	"math"
	"testing"
)

// TestArena takes pieces for which the rest of a chunk suffices, and others: the larger rest is
// kept, and what is counted is what was handed out, in whole cache lines.
func TestArena(t *testing.T) {
	const line, chunk = lineSize / 4, chunkSize / 4
	var a arena
	defer a.free()
	used := 0
	for _, c := range []struct{ size, lines, chunks, rest int }{
		{1, 1, 1, chunk - line},
		{2 * line, 2, 1, chunk - 3*line},
		{chunk, chunk / line, 2, chunk - 3*line}, // has a chunk to itself
		{chunk - 4*line, chunk/line - 4, 2, line},
		{line + 1, 2, 3, chunk - 2*line},
		{0, 0, 3, chunk - 2*line},
	} {
		piece, err := a.alloc(c.size)
		if err != nil {
			t.Fatal(err)
		}
		used += 4 * line * c.lines
		if len(piece) != c.size || cap(piece) != c.size || len(a.chunks) != c.chunks || len(a.rest) != c.rest || a.bytes() != used {
			t.Errorf("%d floats: a piece of %d of %d, %d chunks, a rest of %d, %d bytes; want %+v and %d",
				c.size, len(piece), cap(piece), len(a.chunks), len(a.rest), a.bytes(), c, used)
		}
	}
	if _, err := a.alloc(math.MaxInt / 4); err == nil || a.bytes() != used {
		t.Errorf("more memory than there can be: error %v, %d bytes, want %d", err, a.bytes(), used)
	}
}
