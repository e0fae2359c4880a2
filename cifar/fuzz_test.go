package cifar

import (
	"bytes"
	"testing"
)

// Whatever the bytes are, a reader gives whole images of known classes, or an error.
func checkRead(t *testing.T, images Images, err error, size int) {
	if err != nil {
		if images.Len() > 0 {
			t.Errorf("%d images in spite of %v", images.Len(), err)
		}
		return
	}
	if images.Len() == 0 || len(images.Pixels) != images.Len()*imageBytes || len(images.Pixels) > size {
		t.Errorf("%d images, %d bytes from a file of %d", images.Len(), len(images.Pixels), size)
	}
	for i, label := range images.Labels {
		if label < 0 || label >= 10 {
			t.Errorf("image %d has label %d", i, label)
		}
	}
}

func FuzzBinary(f *testing.F) {
	file := binaryFile()
	f.Add(file)
	f.Add(file[:1+imageBytes])
	f.Add(file[1:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := distributions()[0].readBinary(bytes.NewReader(data), int64(len(data)))
		checkRead(t, images, err, len(data))
	})
}

func FuzzPickle(f *testing.F) {
	for _, files := range picklesOf(f) {
		f.Add(files["data_batch_1"])
		f.Add(files["batches.meta"])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := distributions()[1].readPickle(bytes.NewReader(data), int64(len(data)), budgetOf(data))
		checkRead(t, images, err, len(data))
		names, err := distributions()[1].readPickleNames(bytes.NewReader(data), int64(len(data)), budgetOf(data))
		for _, name := range names {
			if err != nil || len(name) > 2*len(data) {
				t.Errorf("a name of %d bytes, %v", len(name), err)
			}
		}
	})
}
