package run

import (
	"math"
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
	const much = math.MaxInt64 / 2
	err := d.checkSpace(much)
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("the free space of a disk is unknown here")
	}
	if err == nil || !strings.Contains(err.Error(), "saving takes 9223372036855: free some") {
		t.Errorf("error %v, want that twice as much is needed", err)
	}
	if err := os.WriteFile(d.File(CheckpointName), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.checkSpace(much); err == nil || !strings.Contains(err.Error(), "saving takes 4611686018427:") {
		t.Errorf("error %v, want that as much is needed", err)
	}
}
