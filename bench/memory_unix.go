//go:build unix

package bench

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// peakMemory returns the largest resident memory of this process so far, in bytes.
func peakMemory() float64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return float64(usage.Maxrss)
	}
	return 1024 * float64(usage.Maxrss)
}
