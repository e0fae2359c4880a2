//go:build !noasm

package ops

import (
	"fmt"
	"syscall"
)

// requestAMX asks the kernel for the tile registers. They are a large state, which Linux keeps
// only for a process that has asked; it holds for all threads, also those that run already.
func requestAMX() error {
	const (
		requestPermission = 0x1023 // ARCH_REQ_XCOMP_PERM
		tileData          = 18     // XFEATURE_XTILEDATA
	)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, requestPermission, tileData, 0); errno != 0 {
		return fmt.Errorf("arch_prctl(ARCH_REQ_XCOMP_PERM) for AMX: %w", errno)
	}
	return nil
}
