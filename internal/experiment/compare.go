package experiment

import (
	"fmt"
	"path/filepath"
)

// CompareName is the experiment that compares other runs.
const CompareName = "compare"

// Compare compares the runs in folders, finished or not, and writes the page to the folder out.
func Compare(folders []string, out string) error {
	var runs []result
	for _, path := range folders {
		r, err := read(nameOf(path, folders), path)
		if err != nil {
			return fmt.Errorf("compare %w", err)
		}
		if len(r.history) == 0 {
			return fmt.Errorf("compare %s: the run has not finished an epoch", path)
		}
		runs = append(runs, r)
	}
	lock, err := openOut(out)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := write(out, "Comparison of runs", "", runs); err != nil {
		return err
	}
	return summarize(runs, out)
}

// nameOf returns the last element of a path, or all of it if another path ends the same.
func nameOf(path string, all []string) string {
	name := filepath.Base(path)
	for _, other := range all {
		if other != path && filepath.Base(other) == name {
			return filepath.Clean(path)
		}
	}
	return name
}
