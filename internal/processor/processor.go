// Package processor names the processor and the sizes of its caches. Package cpuid knows both on
// x86-64 and on macOS; elsewhere on arm64 it lacks them.
package processor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Name returns the name of the processor, or what is known of it.
func Name() string {
	switch c := cpuid.CPU; {
	case c.BrandName != "":
		return c.BrandName
	case c.VendorString != "":
		return fmt.Sprintf("%s, part %#x", c.VendorString, c.Model)
	}
	return runtime.GOARCH
}

// Cache returns the bytes of a data cache, of level 1 to 3, and -1 if they are not known. Linux
// says those of the first core.
func Cache(level int) int {
	c := cpuid.CPU.Cache
	if size := [...]int{c.L1D, c.L2, c.L3}[level-1]; size > 0 {
		return size
	}
	return cacheIn("/sys/devices/system/cpu/cpu0/cache", level)
}

// cacheIn reads a folder with a folder for each cache, with files such as type "Data", level "1"
// and size "64K".
func cacheIn(folder string, level int) int {
	folders, _ := filepath.Glob(filepath.Join(folder, "index*"))
	for _, folder := range folders {
		read := func(name string) string {
			text, _ := os.ReadFile(filepath.Join(folder, name))
			return strings.TrimSpace(string(text))
		}
		if read("level") != strconv.Itoa(level) || read("type") == "Instruction" {
			continue
		}
		if kib, err := strconv.Atoi(strings.TrimSuffix(read("size"), "K")); err == nil && kib > 0 {
			return kib << 10
		}
	}
	return -1
}
