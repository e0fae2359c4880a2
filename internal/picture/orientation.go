package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"io"
)

// orientation is how a camera was held, the value of EXIF's tag 0x0112: what must be done to the
// stored image to show it upright.
type orientation uint16

const (
	upright         orientation = 1
	lastOrientation orientation = 8
)

// readOrientation returns the orientation in the data of EXIF, a TIFF header with directories of
// tags; upright if they do not say.
func readOrientation(tiff []byte) orientation {
	const head, entry, tag, short = 8, 12, 0x0112, 3
	if len(tiff) < head {
		return upright
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return upright
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entry {
			break
		}
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			if o := orientation(order.Uint16(entries[8:])); o >= upright && o <= lastOrientation {
				return o
			}
			break
		}
		entries = entries[entry:]
	}
	return upright
}

// chunkOrientation returns the orientation in the EXIF data of a PNG or WebP file, which is in a
// chunk.
func chunkOrientation(file io.Reader, format string) orientation {
	const pngHead, webpHead, pngSum, maxEXIF = 8, 12, 4, 1 << 16
	r := bufio.NewReaderSize(file, 1<<16)
	want, start := "EXIF", webpHead
	if format == "png" {
		want, start = "eXIf", pngHead
	}
	r.Discard(start)
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return upright
		}
		kind, size := string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
		rest := size & 1 // padding
		if format == "png" {
			kind, size, rest = string(head[4:]), int64(binary.BigEndian.Uint32(head[:])), pngSum
		}
		if kind == want && size <= maxEXIF {
			data := make([]byte, size)
			if _, err := io.ReadFull(r, data); err != nil {
				return upright
			}
			return readOrientation(bytes.TrimPrefix(data, []byte(exifStart)))
		}
		if _, err := r.Discard(int(size + rest)); err != nil {
			return upright
		}
	}
}

// exifStart begins the data of EXIF in JPEG, and in some WebP files.
const exifStart = "Exif\x00\x00"

// transposes reports whether rows are stored as columns.
func (o orientation) transposes() bool { return o >= 5 }

// size returns the size of the upright image for that of the stored one, and conversely.
func (o orientation) size(width, height int) (int, int) {
	if o.transposes() {
		return height, width
	}
	return width, height
}

// stored returns where the pixel (x, y) of the upright image is in the stored one, of that size.
func (o orientation) stored(x, y, width, height int) (int, int) {
	if o.transposes() {
		x, y = y, x
	}
	switch o {
	case 2, 3, 7, 8: // the right is stored left
		x = width - 1 - x
	}
	switch o {
	case 3, 4, 6, 7: // the bottom is stored at the top
		y = height - 1 - y
	}
	return x, y
}

// turned is an image that is stored in another orientation. [Resize] turns the small image, not the
// large one.
type turned struct {
	image.Image
	orientation
}

// Bounds returns the bounds of the upright image.
func (t turned) Bounds() image.Rectangle {
	return image.Rectangle{Max: image.Pt(t.size(t.Image.Bounds().Dx(), t.Image.Bounds().Dy()))}
}

// At returns a pixel of the upright image.
func (t turned) At(x, y int) color.Color {
	b := t.Image.Bounds()
	x, y = t.stored(x, y, b.Dx(), b.Dy())
	return t.Image.At(b.Min.X+x, b.Min.Y+y)
}
