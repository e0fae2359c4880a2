package cifar

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/picture"
)

// The names of the columns in a header, in any case.
func fileColumns() []string {
	return []string{"file", "filename", "file_name", "filepath", "path", "image", "image_path"}
}
func labelColumns() []string { return []string{"label", "class", "category", "target"} }

// openCSV reads the images that the lines FILE,LABEL of a file name. Paths are relative to its
// folder.
func openCSV(ctx context.Context, path string, o Options) (*Dataset, error) {
	f, _, err := infile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	defer f.Close()
	rows, err := readRows(f, filepath.Dir(path), !o.SkipBad)
	if err != nil {
		return nil, fmt.Errorf("cifar: %s: %w", path, err)
	}
	byLabel := map[string][]string{}
	for file, label := range rows {
		byLabel[label] = append(byLabel[label], file)
	}
	d := &Dataset{Name: path}
	for label := range byLabel {
		d.Classes = append(d.Classes, label)
	}
	slices.Sort(d.Classes)
	if err := checkClasses(d, path); err != nil {
		return nil, err
	}
	byClass := make([][]file, len(d.Classes))
	for class, label := range d.Classes {
		slices.Sort(byLabel[label]) // whatever the order of the lines
		for _, name := range byLabel[label] {
			byClass[class] = append(byClass[class], file{name, int32(class)})
		}
	}
	r := reader{Options: o}
	if err := r.divide(ctx, d, alternate(byClass), "no --val"); err != nil {
		return nil, err
	}
	return d, nil
}

// readRows returns the label of each image file.
func readRows(f io.Reader, folder string, mustExist bool) (labels map[string]string, err error) {
	text := bufio.NewReader(f)
	if mark, _ := text.Peek(3); string(mark) == "\ufeff" { // as on Windows
		text.Discard(len(mark))
	}
	table := csv.NewReader(text)
	table.ReuseRecord = true
	labels = map[string]string{}
	image, label := 0, 1 // columns
	for first := true; ; first = false {
		row, err := table.Read()
		if wrong := (*csv.ParseError)(nil); errors.As(err, &wrong) {
			return nil, fmt.Errorf("line %d: %w", wrong.Line, wrong.Err)
		}
		if err == io.EOF && len(labels) == 0 {
			return nil, errors.New("it has no images: want a line FILE,LABEL for each")
		}
		if err == io.EOF {
			return labels, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := table.FieldPos(0)
		if first {
			header := false
			if image, label, header, err = columns(row); err != nil {
				return nil, err
			}
			if header {
				continue
			}
		}
		name, class := filepath.FromSlash(strings.TrimSpace(row[image])), strings.TrimSpace(row[label])
		if name == "" || class == "" {
			return nil, fmt.Errorf("line %d: the file or the label is empty", line)
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, name)
		}
		if _, err := os.Stat(name); err != nil && mustExist {
			return nil, fmt.Errorf("line %d: %s: %w: correct the path, which is relative to the folder of the CSV, or leave it out with --skip-bad",
				line, name, infile.Cause(err))
		}
		if other, ok := labels[name]; ok && other != class {
			return nil, fmt.Errorf("line %d: %s has the label %s, but %s on a line before: keep one", line, name, class, other)
		}
		labels[name] = class
	}
}

// columns returns those of files and labels, by the first line, and whether that is a header.
func columns(row []string) (image, label int, header bool, err error) {
	named := func(names []string) int {
		return slices.IndexFunc(row, func(field string) bool {
			return slices.Contains(names, strings.ToLower(strings.TrimSpace(field)))
		})
	}
	if image, label = named(fileColumns()), named(labelColumns()); image >= 0 && label >= 0 {
		return image, label, true, nil
	}
	if len(row) != 2 {
		return 0, 0, false, fmt.Errorf("line 1 has %d columns and not the names file and label: want lines FILE,LABEL, or a header with those names",
			len(row))
	}
	return 0, 1, !picture.IsName(strings.TrimSpace(row[0])), nil
}
