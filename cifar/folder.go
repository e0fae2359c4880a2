package cifar

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-go/lamina/internal/picture"
)

// The names of the folders for training, for choosing a model, and for measuring it, in any case.
// The preferred ones are first.
func trainFolders() []string      { return []string{"train", "training"} }
func validationFolders() []string { return []string{"validation", "valid", "val"} }
func testFolders() []string       { return []string{"test", "testing"} }

// find returns the first of the names that a folder has, as the folder spells it, or "".
func find(folders, names []string) string {
	for _, name := range names {
		if slices.Contains(folders, name) {
			return name
		}
		if i := slices.IndexFunc(folders, func(f string) bool { return strings.EqualFold(f, name) }); i >= 0 {
			return folders[i]
		}
	}
	return ""
}

// subfolders returns the names of the folders in dir that are not hidden, sorted.
func subfolders(dir string) []string {
	entries, _ := os.ReadDir(dir) // what cannot be read is an error later
	var names []string
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.IsDir() && !picture.IsHidden(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// openImages reads the image files of a folder of classes, or of its folders for training,
// validation and test, each of which has a folder for each class. The classes are the subfolders,
// sorted by name. Images of the classes alternate, so that the first N have all classes.
func openImages(ctx context.Context, dir string, o Options) (*Dataset, error) {
	folders := subfolders(dir)
	train, validation, test := find(folders, trainFolders()), find(folders, validationFolders()), find(folders, testFolders())
	if train == "" && (validation != "" || test != "") {
		train = trainFolders()[0] // whose absence is an error
	}
	measured := validation
	if measured == "" || o.Final && test != "" {
		measured = test
	}
	if o.Val != 0 && validation != "" && !o.Final {
		return nil, fmt.Errorf("cifar: %s has a folder for validation, %s: omit --val", dir, validation)
	}
	if o.Val != 0 && validation == "" && (!o.Final || test == "") {
		measured = "" // a share of train is
	}
	r := reader{Options: o}
	d := &Dataset{Name: dir}
	root := filepath.Join(dir, train)
	var err error
	if d.Classes, err = r.classes(root); err != nil {
		return nil, err
	}
	if err := checkClasses(d, root); err != nil {
		return nil, err
	}
	if measured == "" {
		files, err := r.list(root, d.Classes, d.Classes)
		if err != nil {
			return nil, err
		}
		if test != "" {
			d.Notes = append(d.Notes, fmt.Sprintf("%s is for lamina evaluate", filepath.Join(dir, test)))
		}
		rest := slices.DeleteFunc(folders, func(f string) bool { return train == "" || f == train || f == test })
		if len(rest) > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("%s: ignored: %s", dir, strings.Join(rest, ", ")))
		}
		return d, r.divide(ctx, d, files, "no folder for validation")
	}
	folder := filepath.Join(dir, measured)
	tested, err := r.classes(folder)
	if err != nil {
		return nil, err
	}
	for _, class := range tested {
		if slices.Contains(d.Classes, class) {
			continue
		}
		if other := find(d.Classes, []string{class}); other != "" {
			return nil, fmt.Errorf("cifar: %s: the class is %s in %s: spell both alike", filepath.Join(folder, class), other, root)
		}
		return nil, fmt.Errorf("cifar: %s: no such class in %s", filepath.Join(folder, class), root)
	}
	var files, measuring []file
	if !o.Final {
		if files, err = r.list(root, d.Classes, d.Classes); err != nil {
			return nil, err
		}
	}
	if measuring, err = r.list(folder, tested, d.Classes); err != nil {
		return nil, err
	}
	if note := use(folders, train, measured, test, o.Final); note != "" {
		d.Notes = append(d.Notes, dir+": "+note)
	}
	if len(tested) < len(d.Classes) {
		missing := slices.DeleteFunc(slices.Clone(d.Classes),
			func(class string) bool { return slices.Contains(tested, class) })
		d.Notes = append(d.Notes, fmt.Sprintf("%s has no images of %s: validation omits them", folder,
			strings.Join(missing, ", ")))
	}
	return d, r.read(ctx, d, splits{files, measuring})
}

// use says which folders are used for what, in a line. It returns "" where a measurement takes what
// is plainly for it.
func use(folders []string, train, measured, test string, final bool) string {
	var rest []string // of the folders
	for _, f := range folders {
		if f != train && f != measured && (f != test || final) {
			rest = append(rest, f)
		}
	}
	if final && measured == test && rest == nil {
		return ""
	}
	text := train + " is for training, " + measured + " for validation"
	if final {
		text = measured + " is measured"
	}
	if !final && test != "" && test != measured {
		text += ", " + test + " for lamina evaluate"
	}
	if rest != nil {
		text += "; ignored: " + strings.Join(rest, ", ")
	}
	return text
}

// checkClasses reports an error unless there are two classes or more, and notes names that are the
// same on some systems.
func checkClasses(d *Dataset, source string) error {
	if len(d.Classes) == 1 {
		return fmt.Errorf("cifar: %s has one class, %s: a classifier needs two or more", source, d.Classes[0])
	}
	spelled := map[string]string{}
	for _, class := range d.Classes {
		if other, ok := spelled[strings.ToLower(class)]; ok {
			d.Notes = append(d.Notes, fmt.Sprintf("the classes %s and %s differ by case only, which Windows and macOS ignore: "+
				"rename one, or join them if they are the same", other, class))
		}
		spelled[strings.ToLower(class)] = class
	}
	return nil
}

// classes returns the names of the subfolders of dir, of which there must be one. It ignores other
// entries.
func (r *reader) classes(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cifar: %s does not exist: it must have a folder of images for each class", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("cifar: %w", err)
	}
	var names []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows links
		switch {
		case picture.IsHidden(path):
		case err == nil && info.IsDir():
			names = append(names, e.Name())
		default:
			r.ignored = append(r.ignored, path)
		}
	}
	if names == nil {
		return nil, fmt.Errorf("cifar: %s has no folders of images, one for each class", dir)
	}
	return names, nil
}

// list returns the image files in the given subfolders of dir. A class is the folder's index in
// classes. It ignores other files.
func (r *reader) list(dir string, folders, classes []string) ([]file, error) {
	byClass := make([][]file, len(folders))
	for i, class := range folders {
		folder := filepath.Join(dir, class)
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, fmt.Errorf("cifar: %w", err)
		}
		for _, e := range entries {
			switch path := filepath.Join(folder, e.Name()); {
			case picture.IsName(path):
				byClass[i] = append(byClass[i], file{path, int32(slices.Index(classes, class))})
			case !picture.IsHidden(path):
				r.ignored = append(r.ignored, path)
			}
		}
		if byClass[i] == nil {
			return nil, fmt.Errorf("cifar: %s has no images (%s): add some, or remove the folder", folder,
				strings.Join(picture.Extensions(), ", "))
		}
	}
	return alternate(byClass), nil
}

// alternate joins lists: the first of each, the second of each, and so on.
func alternate(lists [][]file) (all []file) {
	for round := 0; ; round++ {
		before := len(all)
		for _, list := range lists {
			if round < len(list) {
				all = append(all, list[round])
			}
		}
		if len(all) == before {
			return all
		}
	}
}
