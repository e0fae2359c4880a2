package freemem

import (
	"math"

	"golang.org/x/sys/unix"
)

// Available returns the bytes of the machine's memory, less a sixteenth. Which of them are free is
// not said: macOS compresses and swaps what others do not use.
func Available(string) int {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil || n > math.MaxInt {
		return math.MaxInt
	}
	return int(n) / 16 * 15
}
