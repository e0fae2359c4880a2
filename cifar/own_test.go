package cifar

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIsOwn(t *testing.T) {
	dir := t.TempDir()
	nested := filepath.Join(dir, "nested")
	for _, folder := range []string{"photos/cat", "python", "nested/cifar-10-batches-bin"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"python/data_batch_1", "nested/cifar-10-batches-bin/data_batch_1.bin", "archive.tar.gz"} {
		if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		"": false, BuiltIn: false, filepath.Join(dir, "photos"): true, filepath.Join(dir, "labels.CSV"): true,
		filepath.Join(dir, "python"): false, nested: false, filepath.Join(dir, "archive.tar.gz"): false, filepath.Join(dir, "none"): false,
	} {
		if got := IsOwn(path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}
