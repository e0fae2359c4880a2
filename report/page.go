package report

import (
	_ "embed"
	"html/template"
	"io"
)

// Page is a page that needs nothing but itself: what was run, the four pictures and tables.
type Page struct {
	Title  string
	Lead   []string // paragraphs above the pictures
	Curves []Curve  // without any there are no pictures
	Tables []Table
}

// Table is a table under a heading.
type Table struct {
	Title string
	Head  []string
	Rows  [][]Cell
	Notes []string // below it
}

// Cell is a field of a table.
type Cell struct {
	Text   string
	Number bool // stands right
	Time   bool // differs each time that the same is run
	Best   bool // of the column
}

// Text returns a field of words.
func Text(text string) Cell { return Cell{Text: text} }

// Number returns a field of a number.
func Number(text string) Cell { return Cell{Text: text, Number: true} }

// Time returns a field of a number that differs each time that the same is run.
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
