package picture

import (
	"encoding/binary"
	"image"
	"image/color"
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
