//go:build !linux

package cpu

// mapMemory returns zeroed memory.
func mapMemory(bytes int) ([]byte, error) { return make([]byte, bytes), nil }

func adviseHuge([]byte) {}

// unmapMemory leaves b to the garbage collector.
func unmapMemory([]byte) {}
