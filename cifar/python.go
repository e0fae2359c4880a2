package cifar

import (
	"fmt"
	"io"

	"github.com/lamina-go/lamina/internal/infile"
)

// readPickle reads a file of size bytes of a Python distribution, a pickled dictionary. "data" is a
// byte array (N, 3072) of red, green and blue planes, and the labels are a list or an array of N
// class numbers.
func (d *distribution) readPickle(r io.Reader, size int64, b *infile.Budget) (Images, error) {
	values, err := d.readDict(r, size, b)
	if err != nil {
		return Images{}, err
	}
	data, ok := values["data"].(*array)
	if !ok || !data.isBytes() || len(data.shape) != 2 || data.shape[1] != imageBytes || data.shape[0] == 0 {
		return Images{}, fmt.Errorf(`not of %s: "data" is not an array of bytes (N, %d)`, d.name, imageBytes)
	}
	n := data.shape[0]
	if err := b.Take(int64(n) * labelCost); err != nil {
		return Images{}, err
	}
	labels, ok := integers(values[d.labelKey])
	if !ok || len(labels) != n {
		return Images{}, fmt.Errorf(`not of %s: %q is not a list of %d integers`, d.name, d.labelKey, n)
	}
	images := makeImages(n)
	for i, label := range labels {
		if label < 0 || label >= int64(d.classes) {
			return Images{}, fmt.Errorf("record %d: label %d is not a class from 0 to %d", i, label, d.classes-1)
		}
		images.Labels[i] = int32(label)
		interleave(images.image(i), data.bytes[i*imageBytes:][:imageBytes])
	}
	return images, nil
}

// labelCost is the memory of a label, read as int64 and kept as int32.
const labelCost = 12

// integers returns the elements of a list or an array of integers.
func integers(v any) ([]int64, bool) {
	switch v := v.(type) {
	case *array:
		return v.integers()
	case *list:
		all := make([]int64, len(v.items))
		for i, item := range v.items {
			n, ok := item.(int64)
			if !ok {
				return nil, false
			}
			all[i] = n
		}
		return all, true
	}
	return nil, false
}

// readPickleNames reads the class names of a Python distribution: a list in a pickled dictionary.
func (d *distribution) readPickleNames(r io.Reader, size int64, b *infile.Budget) ([]string, error) {
	values, err := d.readDict(r, size, b)
	if err != nil {
		return nil, err
	}
	labels, ok := values[d.nameKey].(*list)
	if !ok {
		return nil, fmt.Errorf(`not of %s: %q is not a list`, d.name, d.nameKey)
	}
	if len(labels.items) != d.classes {
		return nil, fmt.Errorf("%d names of classes, not %d", len(labels.items), d.classes)
	}
	names := make([]string, len(labels.items))
	for i, v := range labels.items {
		name, ok := v.(text)
		if !ok {
			return nil, fmt.Errorf(`not of %s: %q are not all strings`, d.name, d.nameKey)
		}
		names[i] = string(name)
	}
	return names, nil
}

// readDict reads a pickled dictionary of size bytes.
func (d *distribution) readDict(r io.Reader, size int64, b *infile.Budget) (dict, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, infile.Cut(err)
	}
	v, err := unpickle(data, b)
	if err != nil {
		return nil, err
	}
	values, ok := v.(dict)
	if !ok {
		return nil, fmt.Errorf("not of %s: not a pickled dictionary", d.name)
	}
	return values, nil
}
