package run

import (
	"os"
	"testing"
)

// TestDiscardLeavesNothing takes away folders that were made, and no others.
func TestDiscardLeavesNothing(t *testing.T) {
	for _, path := range []string{"", "new", "new/below/it", "old", "old/new"} {
		t.Run(path, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.Mkdir("old", 0o755); err != nil {
				t.Fatal(err)
			}
			d, err := Create(path, NewConfig(Defaults(), "none"))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, err := os.Stat(d.File(ConfigName)); err != nil {
				t.Fatal(err)
			}
			d.Discard()
			if left, err := os.ReadDir("."); err != nil || len(left) != 1 || left[0].Name() != "old" {
				t.Errorf("%v, %v are left, want only old", left, err)
			}
			if left, err := os.ReadDir("old"); err != nil || len(left) != 0 {
				t.Errorf("%v, %v are left in old", left, err)
			}
		})
	}
}
