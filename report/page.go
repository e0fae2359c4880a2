package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/lamina-go/lamina/internal/design"
)

// Page is a self-contained HTML page of charts, tables and images.
type Page struct {
	Title  string
	Lead   []string // paragraphs above the charts
	Charts []Chart
	Curves []Curve // of the charts; without any there are no charts
	Parts  []Part  // below the charts
}

// Part is a part of a page: a [Table], a [Gallery] or a [*Confusion].
type Part interface {
	template() string // its name in page.html
}

// Table is a table under a heading.
type Table struct {
	Title string
	Head  []string
	Rows  [][]Cell
	Notes []string // below it
}

func (Table) template() string { return "table" }

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

// Gallery shows images under a heading.
type Gallery struct {
	Title  string
	Notes  []string // above them
	Images []Image
}

func (Gallery) template() string { return "gallery" }

// namespace is what SVG has in a file of its own, but not in a page.
const namespace = ` xmlns="http://www.w3.org/2000/svg"`

//go:embed page.html
var pageHTML string

// HTML writes the page.
func (p Page) HTML(w io.Writer) error {
	t := template.New("page")
	t.Funcs(template.FuncMap{
		"css":    func() template.CSS { return template.CSS(design.CSS) + lineStyle() },
		"icon":   func() template.HTML { return template.HTML(strings.Replace(design.Icon, namespace, "", 1)) },
		"svg":    func(c Chart) template.HTML { return c.SVG(p.Curves) },
		"class":  lineClass,
		"number": func(row []Cell, i int) bool { return i < len(row) && row[i].Number },
		"part": func(part Part) (template.HTML, error) {
			var b strings.Builder
			err := t.ExecuteTemplate(&b, part.template(), part)
			return template.HTML(b.String()), err
		},
	})
	if _, err := t.Parse(pageHTML); err != nil {
		return err
	}
	return t.Execute(w, p)
}

// lineClass returns the CSS classes of a run's line.
func lineClass(i int) string {
	class := fmt.Sprintf("line%d", i%len(inks()))
	if i >= len(inks()) {
		class += " dashed"
	}
	return class
}

// lineStyle returns the colours of the classes.
func lineStyle() template.CSS {
	var b strings.Builder
	for i, ink := range inks() {
		fmt.Fprintf(&b, ".line%d { --stroke: light-dark(%s, %s); }\n", i, ink.light, ink.dark)
	}
	return template.CSS(b.String())
}
