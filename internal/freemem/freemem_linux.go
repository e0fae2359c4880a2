package freemem

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Available returns the bytes that the system can give a program before it kills or refuses one:
// available memory plus free swap, capped by what the limit of each control group of this process
// leaves, and its own limits (ulimit -v and -d). Of that, a sixteenth stays free for batches on
// their way here and for the garbage collector. What cannot be read is ignored. root is the root of
// the file system.
func Available(root string) int {
	read := func(elements ...string) string {
		text, _ := os.ReadFile(filepath.Join(append([]string{root}, elements...)...))
		return strings.TrimSpace(string(text))
	}
	limit, free, swap := math.MaxInt, 0, 0
	for line := range strings.Lines(read("proc/meminfo")) {
		fmt.Sscanf(line, "MemAvailable: %d kB", &free)
		fmt.Sscanf(line, "SwapFree: %d kB", &swap)
	}
	if free > 0 {
		limit = (free + swap) << 10
	}
	var most, taken struct{ space, data int } // of this process
	for line := range strings.Lines(read("proc/self/limits")) {
		fmt.Sscanf(line, "Max address space %d", &most.space)
		fmt.Sscanf(line, "Max data size %d", &most.data)
	}
	for line := range strings.Lines(read("proc/self/status")) {
		fmt.Sscanf(line, "VmSize: %d kB", &taken.space)
		fmt.Sscanf(line, "VmData: %d kB", &taken.data)
	}
	if most.space > 0 {
		limit = min(limit, max(0, most.space-taken.space<<10))
	}
	if most.data > 0 {
		limit = min(limit, max(0, most.data-taken.data<<10))
	}
	for line := range strings.Lines(read("proc/self/cgroup")) {
		// number:controllers:path, as 4:memory:/path in version 1 and 0::/path in version 2
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		folder, name, used, cache := "", "memory.max", "memory.current", ""
		if controllers != "" {
			folder, name, used, cache = "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
		}
		if controllers != folder {
			continue
		}
		// In a container the path may be the one outside, and the limit in the root.
		for group = filepath.Clean("/" + group); ; group = filepath.Dir(group) {
			if n, err := strconv.Atoi(read("sys/fs/cgroup", folder, group, name)); err == nil {
				taken, _ := strconv.Atoi(read("sys/fs/cgroup", folder, group, used))
				for line := range strings.Lines(read("sys/fs/cgroup", folder, group, "memory.stat")) {
					var files int // in the page cache, which the system gives up
					fmt.Sscanf(line, cache+"inactive_file %d", &files)
					fmt.Sscanf(line, cache+"active_file %d", &files)
					taken -= files
				}
				limit = min(limit, max(0, n-max(0, taken)))
			}
			if group == "/" {
				break
			}
		}
	}
	return limit / 16 * 15
}
