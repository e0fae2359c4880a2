package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table prints the classes of images, in columns or as JSON.
type table struct {
	out         io.Writer
	json        bool
	name, class int // widths in characters
}

// newTable returns a table with columns wide enough for the files and the labels.
func newTable(out io.Writer, json bool, labels []string, files []*imageFile) *table {
	t := &table{out: out, json: json}
	for _, f := range files {
		t.name = max(t.name, utf8.RuneCountInString(printable(f.Name)))
	}
	for _, label := range labels {
		t.class = max(t.class, utf8.RuneCountInString(printable(label)))
	}
	return t
}

// write prints a row. In columns it leaves out files with errors.
func (t *table) write(f *imageFile) error {
	if t.json {
		return json.NewEncoder(t.out).Encode(f)
	}
	if f.Error != "" {
		return nil
	}
	row := fmt.Sprintf("%-*s", t.name, printable(f.Name))
	for _, c := range f.Classes {
		row += fmt.Sprintf("  %-*s %6.2f %%", t.class, printable(c.Label), 100*c.Probability)
	}
	_, err := fmt.Fprintln(t.out, row)
	return err
}

// printable quotes a name that has control characters, which would act on the terminal.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}
