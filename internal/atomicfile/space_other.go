//go:build !darwin && !linux && !windows

package atomicfile

// Space returns how many bytes can be written to the disk of a folder, if known.
func Space(string) (bytes int64, known bool) { return 0, false }
