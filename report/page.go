package report

import (
	_ "embed"
	"html/template"
	"io"
)

// Page is a self-contained HTML page of charts and tables.
type Page struct {
	Title  string
	Lead   []string // paragraphs above the charts
	Curves []Curve  // without any there are no charts
	Tables []Table
}

// Table is a table under a heading.
type Table struct {
	Title string
	Head  []string
	Rows  [][]Cell
	Notes []string // below it
}

// Cell is a cell of a table.
type Cell struct {
	Text   string
	Number bool // aligned right
	Time   bool // differs between identical runs
	Best   bool // of the column
}

// Text returns a cell of words.
func Text(text string) Cell { return Cell{Text: text} }

// Number returns a cell of a number.
func Number(text string) Cell { return Cell{Text: text, Number: true} }

// Time returns a cell of a number that differs between identical runs.
func Time(text string) Cell { return Cell{Text: text, Number: true, Time: true} }

//go:embed page.html
var pageHTML string

// HTML writes the page.
func (p Page) HTML(w io.Writer) error {
	t := template.New("page").Funcs(template.FuncMap{
		"charts": func() []Chart {
			if len(p.Curves) == 0 {
				return nil
			}
			return Charts()
		},
		"svg":    func(c Chart) template.HTML { return c.SVG(p.Curves) },
		"class":  lineClass,
		"light":  func() template.CSS { return lineStyle(func(i ink) string { return i.light }) },
		"dark":   func() template.CSS { return lineStyle(func(i ink) string { return i.dark }) },
		"number": func(row []Cell, i int) bool { return i < len(row) && row[i].Number },
	})
	t, err := t.Parse(pageHTML)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}
