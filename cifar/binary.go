package cifar

import (
	"fmt"
	"io"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
)

const (
	planeBytes  = Size * Size
	recordBytes = 1 + imageBytes // a label, then the red, green and blue planes
)

// readBinary reads a file of size bytes of the binary distribution: a whole number of records.
func readBinary(r io.Reader, size int64) (Images, error) {
	if size%recordBytes != 0 || size == 0 {
		return Images{}, fmt.Errorf("%d bytes are not a whole number of records of %d bytes%s", size,
			recordBytes, nearly(size))
	}
	images := makeImages(int(size / recordBytes))
	var record [recordBytes]byte
	for i := range images.Len() {
		if _, err := io.ReadFull(r, record[:]); err != nil {
			return Images{}, fmt.Errorf("record %d: %w", i, infile.Cut(err))
		}
		if int(record[0]) >= numClasses {
			return Images{}, fmt.Errorf("record %d: label %d is not a class from 0 to %d", i, record[0], numClasses-1)
		}
		images.Labels[i] = int32(record[0])
		interleave(images.image(i), record[1:])
	}
	return images, nil
}

// nearly says by how many bytes a size misses a whole number of records, if by few.
func nearly(size int64) string {
	const far = 16
	over := size % recordBytes
	switch {
	case size == 0:
		return ": the file is empty"
	case over <= far:
		return fmt.Sprintf(": %d too long", over)
	case recordBytes-over <= far:
		return fmt.Sprintf(": %d too short", recordBytes-over)
	}
	return ""
}

// interleave sets dst, an image of three bytes per pixel, from its red, green and blue planes.
func interleave(dst, planes []byte) {
	red, green, blue := planes[:planeBytes], planes[planeBytes:][:planeBytes], planes[2*planeBytes:][:planeBytes]
	dst = dst[:imageBytes]
	for i := range red {
		dst[3*i], dst[3*i+1], dst[3*i+2] = red[i], green[i], blue[i]
	}
}

// readNames reads batches.meta.txt: one class name per line.
func readNames(r io.Reader, size int64) ([]string, error) {
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, infile.Cut(err)
	}
	return strings.Fields(string(text)), nil
}
