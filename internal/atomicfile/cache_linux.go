package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// dropCache makes the next reads of a synced file come from the disk, where the file system can do
// that.
func dropCache(f *os.File) { unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
