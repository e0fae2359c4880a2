package freemem

import (
	"math"
	"unsafe"

	"golang.org/x/sys/windows"
)

var globalMemoryStatusEx = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

// memoryStatus is MEMORYSTATUSEX.
type memoryStatus struct {
	length, load                uint32
	totalPhysical, freePhysical uint64
	totalCommit, freeCommit     uint64
	totalVirtual, freeVirtual   uint64
	freeExtended                uint64
}

// Available returns the bytes of memory that are free and that the system grants to a program, less
// a sixteenth.
func Available(string) int {
	s := memoryStatus{length: uint32(unsafe.Sizeof(memoryStatus{}))}
	if ok, _, _ := globalMemoryStatusEx.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return math.MaxInt
	}
	return int(min(s.freePhysical, s.freeCommit, math.MaxInt)) / 16 * 15
}
