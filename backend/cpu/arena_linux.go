package cpu

import "golang.org/x/sys/unix"

// mapMemory returns zeroed memory that the garbage collector does not see.
func mapMemory(bytes int) ([]byte, error) {
	return unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// adviseHuge requests huge pages. A kernel without them returns an error; small pages work, too.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

func unmapMemory(b []byte) { _ = unix.Munmap(b) }
