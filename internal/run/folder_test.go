package run

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestDiscardLeavesNothing removes the folders that were created, and no others.
func TestDiscardLeavesNothing(t *testing.T) {
	for _, path := range []string{"", "new", "new/below/it", "old", "old/new"} {
		t.Run(path, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.Mkdir("old", 0o755); err != nil {
				t.Fatal(err)
			}
			d, err := create(path, newConfig(Defaults(), "none"))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := os.Stat(d.File(ConfigName)); err != nil {
				t.Fatal(err)
			}
			d.discard()
			if left, err := os.ReadDir("."); err != nil || len(left) != 1 || left[0].Name() != "old" {
				t.Errorf("%v, %v are left, want only old", left, err)
			}
			if left, err := os.ReadDir("old"); err != nil || len(left) != 0 {
				t.Errorf("%v, %v are left in old", left, err)
			}
		})
	}
}

func TestCheckSpace(t *testing.T) {
	d := &Folder{Path: t.TempDir()}
	if err := d.checkSpace(1); err != nil {
		t.Error(err)
	}
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("the free space of a disk is unknown here")
	}
	const much = 1e15
	for _, c := range []struct {
		name string // of a file that exists
		size int64
		want string // MB
	}{
		{"", 0, "3000000000"},
		{CheckpointName, 0, "3000000000"}, // a damaged file does not count
		{CheckpointName, 1e9, "2999999000"},
		{PreviousName, 2e9, "2999997000"},
	} {
		if c.name != "" {
			if err := errors.Join(os.WriteFile(d.File(c.name), nil, 0o644), os.Truncate(d.File(c.name), c.size)); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.checkSpace(much); err == nil || !strings.Contains(err.Error(), "saving takes "+c.want+": free some") {
			t.Errorf("error %v, want that %s MB are needed", err, c.want)
		}
	}
}
