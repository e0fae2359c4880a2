//go:build !noasm

package ops

import (
	"fmt"
	"syscall"
)

// requestAMX requests the tile registers from the kernel. They are a large state, which Linux saves
// only for processes that request it. The permission holds for all threads, including running ones.
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
