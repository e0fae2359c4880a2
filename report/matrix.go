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

// SVG returns the matrix as an element of a page, whose style sets its colours. A cell is darker the
// larger its share of the row. Cells show their counts, and rows and columns their names, where they
// fit.
func (m *Confusion) SVG() template.HTML {
	const largest, smallest, extent, gap = 30, 5, 640, 1
	n := len(m.Classes)
	cell := min(max(extent/n, smallest), largest)
	names, left := make([]string, n), 0
	if cell >= 12 {
		const letter = 7 // pixels, about
		for i, name := range m.Classes {
			names[i] = shortened(name)
			left = max(left, letter*utf8.RuneCountInString(names[i])+8)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="matrix" width="%d" height="%d" role="img" aria-label="confusion matrix">`,
		left+n*cell, left+n*cell)
	fmt.Fprintf(&b, `<path class="none" d="M%d %dh%dv%dh-%[3]dz"/>`, left, left, n*cell, n*cell)
	cells, counts := map[string]string{}, strings.Builder{}
	for i, row := range m.Counts {
		total := sum(row)
		for j, count := range row {
			if count == 0 {
				continue
			}
			x, y, shade := left+j*cell, left+i*cell, (count*shades+total-1)/total
			kind := "wrong"
			if i == j {
				kind = "right"
			}
			key := fmt.Sprintf(`class="%s" fill-opacity="%.1f"`, kind, float64(shade)/shades)
			cells[key] += fmt.Sprintf("M%d %dh%dv%dh-%[3]dz", x, y, cell-gap, cell-gap)
			const digit = 7
			if text := fmt.Sprint(count); digit*len(text) < cell {
				class := "count"
				if shade > shades/2 {
					class = "dark"
				}
				fmt.Fprintf(&counts, `<text class="%s" x="%d" y="%d" text-anchor="middle">%s</text>`, class, x+cell/2, y+cell/2+4, text)
			}
		}
	}
	for _, kind := range []string{"right", "wrong"} {
		for shade := 1; shade <= shades; shade++ {
			key := fmt.Sprintf(`class="%s" fill-opacity="%.1f"`, kind, float64(shade)/shades)
			if cells[key] != "" {
				fmt.Fprintf(&b, `<path %s d="%s"/>`, key, cells[key])
			}
		}
	}
	b.WriteString(counts.String())
	for i, name := range names {
		if name == "" {
			continue
		}
		middle := left + i*cell + cell/2 + 4
		name = html.EscapeString(name)
		fmt.Fprintf(&b, `<text class="name" x="%d" y="%d" text-anchor="end">%s</text>`, left-6, middle, name)
		fmt.Fprintf(&b, `<text class="name" transform="translate(%d %d) rotate(-90)">%s</text>`, middle, left-6, name)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
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
