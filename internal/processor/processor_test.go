package processor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCacheIn(t *testing.T) {
	folder := t.TempDir()
	for index, files := range []map[string]string{
		{"level": "1\n", "type": "Instruction\n", "size": "32K\n"},
		{"level": "1\n", "type": "Data\n", "size": "64K\n"},
		{"level": "2\n", "type": "Unified\n", "size": "1024K\n"},
		{"level": "3\n", "type": "Unified\n", "size": "large\n"},
	} {
		cache := filepath.Join(folder, "index"+string(rune('0'+index)))
		if err := os.Mkdir(cache, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(cache, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for level, want := range map[int]int{1: 64 << 10, 2: 1 << 20, 3: -1, 4: -1} {
		if got := cacheIn(folder, level); got != want {
			t.Errorf("level %d: %d bytes, want %d", level, got, want)
		}
	}
}

func TestNameIsNotEmpty(t *testing.T) {
	if Name() == "" {
		t.Error("no name")
	}
}
