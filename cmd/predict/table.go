package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table prints what is on pictures, in columns or as JSON.
type table struct {
	out          io.Writer
	json         bool
	names, class int // widths in characters
}

// newTable makes a table with room for the files and for all classes.
func newTable(out io.Writer, c *command, m *classifier, files []*pictureFile) *table {
	t := &table{out: out, json: c.json}
	for _, f := range files {
		t.names = max(t.names, utf8.RuneCountInString(printable(f.Name)))
	}
	for _, label := range m.labels {
		t.class = max(t.class, utf8.RuneCountInString(printable(label)))
	}
	return t
}

// write prints a row, unless there is no more to tell than an error.
func (t *table) write(f *pictureFile) error {
	if t.json {
		return json.NewEncoder(t.out).Encode(f)
	}
	if f.Error != "" {
		return nil
	}
	row := fmt.Sprintf("%-*s", t.names, printable(f.Name))
	for _, s := range f.Scores {
		row += fmt.Sprintf("  %-*s %6.2f %%", t.class, printable(s.Class), 100*s.Probability)
	}
	_, err := fmt.Fprintln(t.out, row)
	return err
}

// printable returns the name of a file or a class so that it does nothing to a terminal.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}
