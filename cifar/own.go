package cifar

import (
	"os"
	"path/filepath"
	"strings"
)

// IsOwn reports whether [Open] would read a path as image files: a folder without the files of a
// distribution, or a .csv.
func IsOwn(path string) bool {
	if path == "" || path == BuiltIn {
		return false
	}
	if strings.EqualFold(filepath.Ext(path), ".csv") {
		return true
	}
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	_, found := distributionIn(path)
	return found == nil
}

// distributionIn returns the distribution whose files are in a folder, or in the one of its name in
// it, and that folder. Without any, d is nil.
func distributionIn(dir string) (folder string, d *distribution) {
	for _, d := range distributions() {
		for _, folder := range []string{dir, filepath.Join(dir, d.folder)} {
			for _, name := range d.images {
				if isFile(filepath.Join(folder, name)) {
					return folder, d
				}
			}
		}
	}
	return "", nil
}
