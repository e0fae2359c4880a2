package experiment

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lamina-go/lamina/internal/cli"
)

// CompareName is the experiment that compares other runs.
const CompareName = "compare"

// Compare compares the runs in folders, finished or not, and writes the page to the folder out. It
// names runs that have not finished an epoch.
func Compare(folders []string, out string) error {
	var runs []result
	var empty []string
	for _, path := range folders {
		r, err := read(nameOf(path, folders), path)
		if err != nil {
			return fmt.Errorf("compare %w", err)
		}
		if len(r.history) == 0 {
			empty = append(empty, path)
		}
		runs = append(runs, r)
	}
	none := fmt.Sprintf("without a finished epoch: %s", strings.Join(empty, ", "))
	if len(empty) == len(runs) {
		return fmt.Errorf("compare: all runs are %s", none)
	}
	lock, err := openOut(out)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := write(out, "Comparison of runs", "", runs); err != nil {
		return err
	}
	if err := summarize(runs, out); err != nil || len(empty) == 0 {
		return err
	}
	cli.Stdout.Printf("note      %s\n", none)
	return nil
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
