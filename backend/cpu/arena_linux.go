package cpu

import "golang.org/x/sys/unix"

// mapMemory returns zeroed memory from the system, which the garbage collector does not see.
func mapMemory(bytes int) ([]byte, error) {
	return unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// adviseHuge asks for huge pages; a kernel that has none refuses, and small ones do.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }

func unmapMemory(b []byte) { _ = unix.Munmap(b) }
