package cifar

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// table returns the images of two classes, with a CSV that the function makes of their lines.
func table(t testing.TB, make func(lines []string) string) map[string][]byte {
	files := map[string][]byte{}
	var lines []string
	for class := range 2 {
		for i := range 10 {
			name := fmt.Sprintf("images/%d %d.png", class, i)
			files[name] = picturetest.PNG(t, picturetest.Plain(4, 4, shade(class, i)))
			lines = append(lines, fmt.Sprintf("%s,%s", name, []string{"cat", "dog, wild"}[class]))
			if class == 1 {
				lines[len(lines)-1] = fmt.Sprintf("%s,%q", name, "dog, wild")
			}
		}
	}
	files["labels.csv"] = []byte(make(lines))
	return files
}

func TestOpenCSV(t *testing.T) {
	var want []string
	for _, test := range []struct {
		name string
		make func(lines []string) string
	}{
		{"plain", func(lines []string) string { return strings.Join(lines, "\n") }},
		{"header", func(lines []string) string { return "image_id,breed\n" + strings.Join(lines, "\n") }},
		{"known header, CRLF, byte-order mark", func(lines []string) string {
			return "\ufeffFile,Label\r\n" + strings.Join(lines, "\r\n") + "\r\n"
		}},
		{"more columns", func(lines []string) string {
			for i, line := range lines {
				file, label, _ := strings.Cut(line, ",")
				lines[i] = fmt.Sprintf("%d,%s,%s", i, label, file)
			}
			return "id,class,path\n" + strings.Join(lines, "\n")
		}},
		{"backwards, one twice", func(lines []string) string {
			slices.Reverse(lines)
			return strings.Join(append(lines, lines[0]), "\n")
		}},
	} {
		d, err := Open(context.Background(), filepath.Join(writeFolder(t, table(t, test.make)), "labels.csv"), Options{Seed: 3})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if !slices.Equal(d.Classes, []string{"cat", "dog, wild"}) || d.Train.Len() != 16 || d.Test.Len() != 4 {
			t.Errorf("%s: classes %q, %d and %d images", test.name, d.Classes, d.Train.Len(), d.Test.Len())
		}
		if want == nil {
			want = which(d.Test)
		}
		if got := which(d.Test); !slices.Equal(got, want) {
			t.Errorf("%s: images %q for validation, want %q", test.name, got, want)
		}
	}
}

func TestOpenBadCSV(t *testing.T) {
	for _, test := range []struct {
		name  string
		make  func(lines []string) string
		words []string
	}{
		{"empty", func([]string) string { return "" }, []string{"it has no images"}},
		{"header alone", func([]string) string { return "file,label\n" }, []string{"it has no images"}},
		{"one class", func(lines []string) string { return strings.Join(lines[:10], "\n") }, []string{"one class, cat"}},
		{"unknown file", func(lines []string) string { return strings.Join(append(lines, "images/none.png,cat"), "\n") },
			[]string{"line 21", "none.png", "correct the path", "--skip-bad"}},
		{"two labels", func(lines []string) string { return strings.Join(append(lines, "images/0 0.png,bird"), "\n") },
			[]string{"line 21", "0 0.png has the label bird, but cat"}},
		{"no label", func(lines []string) string { return strings.Join(append(lines, "images/0 0.png,"), "\n") },
			[]string{"line 21", "empty"}},
		{"one column", func([]string) string { return "images/0 0.png;cat\n" }, []string{"line 1 has 1 columns", "FILE,LABEL"}},
		{"a long line", func(lines []string) string { return strings.Join(append(lines, "images/0 1.png,cat,dog"), "\n") },
			[]string{"line 21", "wrong number of fields"}},
		{"a quote", func(lines []string) string { return strings.Join(append(lines, `images/0 1.png,"cat`), "\n") },
			[]string{"line 21", `"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(writeFolder(t, table(t, test.make)), "labels.csv")
			d, err := Open(context.Background(), path, Options{})
			checkError(t, d, err, append(test.words, path)...)
		})
	}
}
