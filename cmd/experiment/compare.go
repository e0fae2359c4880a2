package main

import (
	"fmt"
	"path/filepath"
)

// compare compares runs that were done before, or are being done.
func (c *command) compare() error {
	var runs []result
	for _, path := range c.folders {
		r, err := read(nameOf(path, c.folders), path)
		if err != nil {
			return fmt.Errorf("compare %w", err)
		}
		if len(r.history) == 0 {
			return fmt.Errorf("compare %s: no epoch of the run is over", path)
		}
		runs = append(runs, r)
	}
	lock, err := c.openOut()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := write(c.out, "Comparison of runs", "", runs); err != nil {
		return err
	}
	return tell(runs, c.out)
}

// nameOf returns the last part of a path if no other has the same, or else all of it.
func nameOf(path string, all []string) string {
	name := filepath.Base(path)
	for _, other := range all {
		if other != path && filepath.Base(other) == name {
			return filepath.Clean(path)
		}
	}
	return name
}
