//go:build !linux

package cpu

import "math"

// available returns the largest int: how much memory the system has is not known here.
func available(string) int { return math.MaxInt }

// mapMemory returns zeroed memory.
func mapMemory(bytes int) ([]byte, error) { return make([]byte, bytes), nil }

func adviseHuge([]byte) {}

// unmapMemory leaves b to the garbage collector.
func unmapMemory([]byte) {}
