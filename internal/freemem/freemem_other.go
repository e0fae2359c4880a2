//go:build !linux

package freemem

import "math"

// Available returns a number of bytes that no program needs: only on Linux is the memory known.
func Available(string) int { return math.MaxInt }
