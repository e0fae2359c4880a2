package cifar

import (
	"fmt"
	"io"

	"github.com/lamina-go/lamina/internal/infile"
)

// readPickle reads a file of size bytes of the Python distribution, a pickled dictionary. "data" is
// a byte array (N, 3072) of red, green and blue planes, "labels" a list of N class numbers.
func readPickle(r io.Reader, size int64) (Images, error) {
	d, err := readDict(r, size)
	if err != nil {
		return Images{}, err
	}
	data, ok := d["data"].(*array)
	if !ok || len(data.shape) != 2 || data.shape[1] != imageBytes || data.shape[0] == 0 {
		return Images{}, fmt.Errorf(`not of CIFAR-10: "data" is not an array of bytes (N, %d)`, imageBytes)
	}
	labels, ok := d["labels"].(*list)
	if !ok || len(labels.items) != data.shape[0] {
		return Images{}, fmt.Errorf(`not of CIFAR-10: "labels" is not a list of %d integers`, data.shape[0])
	}
	images := makeImages(data.shape[0])
	for i, v := range labels.items {
		label, ok := v.(int64)
		if !ok {
			return Images{}, fmt.Errorf("record %d: the label is not an integer", i)
		}
		if label < 0 || label >= numClasses {
			return Images{}, fmt.Errorf("record %d: label %d is not a class from 0 to %d", i, label, numClasses-1)
		}
		images.Labels[i] = int32(label)
		interleave(images.image(i), data.bytes[i*imageBytes:][:imageBytes])
	}
	return images, nil
}

// readPickleNames reads batches.meta: a pickled dictionary with "label_names".
func readPickleNames(r io.Reader, size int64) ([]string, error) {
	d, err := readDict(r, size)
	if err != nil {
		return nil, err
	}
	labels, ok := d["label_names"].(*list)
	if !ok {
		return nil, fmt.Errorf(`not of CIFAR-10: "label_names" is not a list`)
	}
	names := make([]string, len(labels.items))
	for i, v := range labels.items {
		name, ok := v.(text)
		if !ok {
			return nil, fmt.Errorf(`not of CIFAR-10: "label_names" are not all strings`)
		}
		names[i] = string(name)
	}
	return names, nil
}

// readDict reads a pickled dictionary of size bytes.
func readDict(r io.Reader, size int64) (dict, error) {
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, infile.Cut(err)
	}
	v, err := unpickle(data)
	if err != nil {
		return nil, err
	}
	d, ok := v.(dict)
	if !ok {
		return nil, fmt.Errorf("not of CIFAR-10: not a pickled dictionary")
	}
	return d, nil
}
