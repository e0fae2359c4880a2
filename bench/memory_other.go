//go:build !unix

package bench

// peakMemory is not measured here.
func peakMemory() float64 { return 0 }
