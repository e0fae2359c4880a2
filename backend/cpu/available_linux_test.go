package cpu

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
		{"nothing known", nil, math.MaxInt},
		{"no group", map[string]string{"proc/meminfo": meminfo}, 3020 << 10},
		{"an old system", map[string]string{"proc/meminfo": "MemFree:  100 kB\nSwapFree: 20 kB\n"}, math.MaxInt},
		{"a group above has the limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max": "2000000\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 2000000},
		{"a container", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../x\n",
			"sys/fs/cgroup/memory.max": "1000000\n"}, 1000000},
		{"version 1", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/a\n4:memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "123456\n",
			"sys/fs/cgroup/cpu/a/memory.limit_in_bytes": "1\n"}, 123456},
		{"a group without limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "max\n"}, 3020 << 10},
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
		if got := available(root); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
	if got := available("/"); got < 1<<20 {
		t.Errorf("this machine has %d bytes", got)
	}
}
