package bench

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// output is where tables are printed, as text or as Markdown.
type output struct {
	io.Writer
	markdown bool
}

// column is a column of a table.
type column struct {
	name  string
	width int // in text
	left  bool
}

func text(name string, width int) column   { return column{name, width, true} }
func number(name string, width int) column { return column{name, width, false} }

// table prints its rows as they come.
type table struct {
	*output
	columns []column
}

// title begins a section, with a remark on what its table shows.
func (o *output) title(title, remark string) {
	switch {
	case o.markdown && remark != "":
		fmt.Fprintf(o, "\n### %s\n\n%s\n", title, strings.ReplaceAll(remark, "\n", " "))
	case o.markdown:
		fmt.Fprintf(o, "\n### %s\n", title)
	case remark != "":
		fmt.Fprintf(o, "\n%s\n(%s)\n", title, remark)
	default:
		fmt.Fprintf(o, "\n%s\n", title)
	}
}

// table begins a table with its header.
func (o *output) table(columns ...column) *table {
	t := &table{o, columns}
	var names, rule []string
	for i, c := range columns {
		names = append(names, c.name)
		columns[i].width = max(c.width, utf8.RuneCountInString(c.name))
		if c.left {
			rule = append(rule, ":--")
		} else {
			rule = append(rule, "--:")
		}
	}
	if o.markdown {
		fmt.Fprintln(o)
	}
	t.row(names...)
	if o.markdown {
		t.row(rule...)
	}
	return t
}

// row prints a row.
func (t *table) row(cells ...string) {
	var b strings.Builder
	for i, cell := range cells {
		c := t.columns[i]
		switch {
		case t.markdown:
			fmt.Fprintf(&b, "| %s ", strings.TrimSpace(cell))
			continue
		case i > 0:
			b.WriteString("  ")
		}
		if c.left {
			fmt.Fprintf(&b, "%-*s", c.width, cell)
		} else {
			fmt.Fprintf(&b, "%*s", c.width, cell)
		}
	}
	if t.markdown {
		b.WriteString("|")
	}
	fmt.Fprintln(t, strings.TrimRight(b.String(), " "))
}
