package cifar

import (
	"fmt"
	"io"
	"strings"

	"github.com/lamina-go/lamina/internal/infile"
)

const planeBytes = Size * Size

// readBinary reads a file of size bytes of a binary distribution: a whole number of records, which
// are labels, then the red, green and blue planes.
func (d *distribution) readBinary(r io.Reader, size int64) (Images, error) {
	record := make([]byte, d.labelBytes+imageBytes)
	if each := int64(len(record)); size%each != 0 || size == 0 {
		return Images{}, fmt.Errorf("%d bytes are not a whole number of records of %d bytes%s", size, each,
			nearly(size, each))
	}
	images := makeImages(int(size) / len(record))
	for i := range images.Len() {
		if _, err := io.ReadFull(r, record); err != nil {
			return Images{}, fmt.Errorf("record %d: %w", i, infile.Cut(err))
		}
		label := int(record[d.labelBytes-1])
		if label >= d.classes {
			return Images{}, fmt.Errorf("record %d: label %d is not a class from 0 to %d", i, label, d.classes-1)
		}
		images.Labels[i] = int32(label)
		interleave(images.image(i), record[d.labelBytes:])
	}
	return images, nil
}

// nearly says by how many bytes a size misses a whole number of records, if by few.
func nearly(size, record int64) string {
	const far = 16
	over := size % record
	switch {
	case size == 0:
		return ": the file is empty"
	case over <= far:
		return fmt.Sprintf(": %d too long", over)
	case record-over <= far:
		return fmt.Sprintf(": %d too short", record-over)
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

// readNames reads the class names of a binary distribution, one per line.
func readNames(r io.Reader, size int64) ([]string, error) {
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, infile.Cut(err)
	}
	return strings.Fields(string(text)), nil
}
