package report

import (
	"fmt"
	"html"
	"html/template"
	"strings"
	"unicode/utf8"
)

func (*Confusion) template() string { return "matrix" }

// shades is the number of steps in which cells of an SVG darken.
const shades = 10

// matrixSVG is the layout of a confusion matrix, in pixels.
type matrixSVG struct {
	*Confusion
	names      []string // shortened; "" where there is no space
	left, cell int      // of the first cell, as its top; the extent of one
}

// SVG returns the matrix as an element of a page, whose style sets its colours. A cell is darker
// the larger its share of the row. Cells show their counts, and rows and columns their names, where
// they fit.
func (m *Confusion) SVG() template.HTML {
	const largest, smallest, extent = 30, 5, 640
	n := len(m.Classes)
	d := matrixSVG{Confusion: m, names: make([]string, n), cell: min(max(extent/n, smallest), largest)}
	if d.cell >= 12 {
		const letter = 7 // about
		for i, name := range m.Classes {
			d.names[i] = shortened(name)
			d.left = max(d.left, letter*utf8.RuneCountInString(d.names[i])+8)
		}
	}
	var b strings.Builder
	const open = `<svg class="matrix" width="%d" height="%[1]d" role="img" aria-label="confusion matrix">`
	fmt.Fprintf(&b, open, d.left+n*d.cell)
	fmt.Fprintf(&b, `<path class="none" d="M%d %[1]dh%dv%[2]dh-%[2]dz"/>`, d.left, n*d.cell)
	d.cells(&b)
	for i, name := range d.names {
		if name == "" {
			continue
		}
		middle := d.left + i*d.cell + d.cell/2 + 4
		name = html.EscapeString(name)
		fmt.Fprintf(&b, `<text class="name" x="%d" y="%d" text-anchor="end">%s</text>`,
			d.left-6, middle, name)
		fmt.Fprintf(&b, `<text class="name" transform="translate(%d %d) rotate(-90)">%s</text>`,
			middle, d.left-6, name)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// cells draws those that are not empty: a path for all of a colour, and then the counts.
func (d *matrixSVG) cells(b *strings.Builder) {
	const gap, digit = 1, 7
	var paths [2][shades + 1]strings.Builder // of wrong and right ones
	var counts strings.Builder
	for i, row := range d.Counts {
		total := sum(row)
		for j, count := range row {
			if count == 0 {
				continue
			}
			x, y, shade := d.left+j*d.cell, d.left+i*d.cell, (count*shades+total-1)/total
			right := 0
			if i == j {
				right = 1
			}
			fmt.Fprintf(&paths[right][shade], "M%d %dh%dv%[3]dh-%[3]dz", x, y, d.cell-gap)
			if text := fmt.Sprint(count); digit*len(text) < d.cell {
				class := "count"
				if shade > shades/2 {
					class = "dark"
				}
				fmt.Fprintf(&counts, `<text class="%s" x="%d" y="%d" text-anchor="middle">%s</text>`,
					class, x+d.cell/2, y+d.cell/2+4, text)
			}
		}
	}
	for right, class := range []string{"wrong", "right"} {
		for shade := range paths[right] {
			if path := paths[right][shade].String(); path != "" {
				fmt.Fprintf(b, `<path class="%s" fill-opacity="%.1f" d="%s"/>`,
					class, float64(shade)/shades, path)
			}
		}
	}
	b.WriteString(counts.String())
}

// shortened returns a name, or its beginning if it is long.
func shortened(name string) string {
	const most = 16
	if letters := []rune(name); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return name
}

// Table returns how well each class is recognized: a row for each class, in order.
func (m *Confusion) Table() Table {
	t := Table{Title: "Results by class",
		Head: []string{"class", "images", "correct", "recall", "precision", "most often mistaken for"}}
	for i, name := range m.Classes {
		images, correct, predicted := sum(m.Counts[i]), m.Counts[i][i], 0
		for _, row := range m.Counts {
			predicted += row[i]
		}
		t.Rows = append(t.Rows, []Cell{Text(name), Number(fmt.Sprint(images)), Number(fmt.Sprint(correct)),
			Number(share(correct, images)), Number(share(correct, predicted)), Text(m.mistaken(i))})
	}
	return t
}

// mistaken returns the class that a class was most often mistaken for, with the number of images.
func (m *Confusion) mistaken(class int) string {
	most := -1
	for j, count := range m.Counts[class] {
		if j != class && count > 0 && (most < 0 || count > m.Counts[class][most]) {
			most = j
		}
	}
	if most < 0 {
		return "-"
	}
	return fmt.Sprintf("%s (%d)", m.Classes[most], m.Counts[class][most])
}

// share returns n as a percentage of all, "-" if that is nothing.
func share(n, all int) string {
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(all))
}

func sum(counts []int) (total int) {
	for _, count := range counts {
		total += count
	}
	return total
}
