package freemem

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestAvailable(t *testing.T) {
	const meminfo = "MemTotal:  9000 kB\nMemFree:  100 kB\nMemAvailable:    3000 kB\nSwapTotal: 50 kB\nSwapFree:  20 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int
	}{
		{"nothing known", nil, math.MaxInt / 16 * 15},
		{"no group", map[string]string{"proc/meminfo": meminfo}, (3020 << 10) / 16 * 15},
		{
			"an old system",
			map[string]string{"proc/meminfo": "MemFree:  100 kB\nSwapFree: 20 kB\n"},
			math.MaxInt / 16 * 15,
		},
		{"a group above has the limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max": "2000000\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 1875000},
		{"a container", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../x\n",
			"sys/fs/cgroup/memory.max": "1000000\n"}, 937500},
		{"version 1", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/a\n4:memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "123456\n",
			"sys/fs/cgroup/cpu/a/memory.limit_in_bytes": "1\n"}, 115740},
		{"a group in use", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "2000000\n", "sys/fs/cgroup/a/memory.current": "900000\n",
			"sys/fs/cgroup/a/memory.stat": "anon 500000\nfile 390000\ninactive_file 300000\nactive_file 80000\n"}, (2000000 - 520000) / 16 * 15},
		{"a group of version 1 in use", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/a\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "2000000\n", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "900000\n",
			"sys/fs/cgroup/memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 300000\ntotal_active_file 80000\n"}, (2000000 - 520000) / 16 * 15},
		{"a full group", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "2000000\n", "sys/fs/cgroup/a/memory.current": "2100000\n"}, 0},
		{"a limit of addresses", map[string]string{"proc/meminfo": meminfo,
			"proc/self/limits": "Max data size             unlimited            unlimited            bytes     \n" +
				"Max address space         2048000              unlimited            bytes     \n",
			"proc/self/status": "VmPeak:\t    1900 kB\nVmSize:\t    1500 kB\nVmData:\t     100 kB\n"}, (500 << 10) / 16 * 15},
		{"a limit of data", map[string]string{"proc/meminfo": meminfo,
			"proc/self/limits": "Max data size             409600               409600               bytes     \n" +
				"Max address space         unlimited            unlimited            bytes     \n",
			"proc/self/status": "VmSize:\t    1500 kB\nVmData:\t     100 kB\n"}, (300 << 10) / 16 * 15},
		{"a limit of addresses that are all taken", map[string]string{"proc/meminfo": meminfo,
			"proc/self/limits": "Max address space         2048000              unlimited            bytes     \n",
			"proc/self/status": "VmSize:\t    2001 kB\n"}, 0},
		{"a group without limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "max\n"}, (3020 << 10) / 16 * 15},
	} {
		root := t.TempDir()
		for name, text := range c.files {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := Available(root); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
	if got := Available("/"); got < 1<<20 {
		t.Errorf("this machine has %d bytes", got)
	}
}
