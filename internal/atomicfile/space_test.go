package atomicfile

import (
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func TestSpace(t *testing.T) {
	bytes, known := Space(t.TempDir())
	if must := slices.Contains([]string{"linux", "darwin", "windows"}, runtime.GOOS); must && !known || known && bytes <= 0 {
		t.Errorf("%d bytes, known: %v", bytes, known)
	}
	if bytes, known := Space(filepath.Join(t.TempDir(), "none")); known {
		t.Errorf("a folder that does not exist has %d bytes", bytes)
	}
}
