//go:build cudnn && cgo && linux

package cudnn

import (
	"io"
	"os"
	"path/filepath"

	"github.com/lamina-go/lamina/internal/atomicfile"
)

// cachePath returns the path of a file in the user's cache folder, or "" if there is no such
// folder.
func cachePath(name string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "lamina", name)
}

// store keeps what later runs can use. If it cannot, they do the work again.
func store(path string, content []byte) {
	if path == "" || os.MkdirAll(filepath.Dir(path), 0o755) != nil {
		return
	}
	_ = atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
