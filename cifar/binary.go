package cifar

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	planeBytes  = Size * Size
	recordBytes = 1 + imageBytes // a label, then a plane each of red, green, blue
)

// readBinary reads a file of size bytes of the binary distribution: any whole number
// of records.
func readBinary(r io.Reader, size int64) (Images, error) {
	if size%recordBytes != 0 || size == 0 {
		return Images{}, fmt.Errorf("%d bytes are not a whole number of records of %d bytes%s", size, recordBytes, nearly(size))
	}
	images := makeImages(int(size / recordBytes))
	var record [recordBytes]byte
	for i := range images.Len() {
		if _, err := io.ReadFull(r, record[:]); err != nil {
			return Images{}, fmt.Errorf("record %d: %w", i, cut(err))
		}
		if int(record[0]) >= numClasses {
			return Images{}, fmt.Errorf("record %d: label %d is not a class, from 0 to %d", i, record[0], numClasses-1)
		}
		images.Labels[i] = int32(record[0])
		interleave(images.image(i), record[1:])
	}
	return images, nil
}

// nearly tells how far size is from the next whole number of records, if that is not far.
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

// interleave sets dst, an image of three bytes a pixel, from planes of red, green and blue.
func interleave(dst, planes []byte) {
	red, green, blue := planes[:planeBytes], planes[planeBytes:][:planeBytes], planes[2*planeBytes:][:planeBytes]
	dst = dst[:imageBytes]
	for i := range red {
		dst[3*i], dst[3*i+1], dst[3*i+2] = red[i], green[i], blue[i]
	}
}

// readNames reads batches.meta.txt: a class name a line.
func readNames(r io.Reader, size int64) ([]string, error) {
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, cut(err)
	}
	return strings.Fields(string(text)), nil
}

// cut names the end of a file in the middle of what it should hold.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the data are cut off")
	}
	return err
}
