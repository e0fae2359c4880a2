//go:build darwin || linux

package atomicfile

import "syscall"

// Space returns how many bytes can be written to the disk of a folder, if known.
func Space(folder string) (bytes int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil || s.Blocks == 0 { // a file system without blocks
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
