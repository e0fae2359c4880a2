package picture

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// maxScans is how many scans a JPEG may have: encoders write up to about 20. Each scan of a few
// bytes can pass over the whole image.
const maxScans = 100

// The work of decoding a JPEG, in samples that are passed over. Inverting a transform costs as much
// as three passes. A large image is worth more if its file is large.
const (
	maxWork     = 512 << 20
	workPerByte = 32
	invertWork  = 3
)

// The markers of a JPEG.
const (
	markSOF0, markSOF1, markSOF2 = 0xc0, 0xc1, 0xc2 // baseline, extended, progressive
	markSOI, markEOI, markSOS    = 0xd8, 0xd9, 0xda
	markRST0, markRST7           = 0xd0, 0xd7
	markAPP1                     = 0xe1
)

// jpegFile is what the markers of a JPEG say.
type jpegFile struct {
	progressive bool
	samples     map[byte]int64 // by component
	scans       int
	work        int64
	orientation orientation
}

// readJPEG reads the markers of a JPEG of size bytes, as package image/jpeg does, without decoding.
// It rejects one that takes too much work. It ignores damage, which decoding reports.
func readJPEG(file io.Reader, size int64) (*jpegFile, error) {
	r := bufio.NewReaderSize(file, 1<<16)
	j := &jpegFile{orientation: upright}
	r.Discard(2) // the start of the image
	for {
		marker, err := nextMarker(r)
		if err != nil || marker == markEOI {
			return j, nil
		}
		segment, err := readSegment(r)
		if err != nil {
			return j, nil
		}
		switch marker {
		case markSOF0, markSOF1, markSOF2:
			j.frame(marker, segment)
		case markSOS:
			if err := j.scan(segment, size); err != nil {
				return nil, err
			}
		case markAPP1:
			if tiff, ok := bytes.CutPrefix(segment, []byte(exifStart)); ok && j.orientation == upright {
				j.orientation = readOrientation(tiff)
			}
		}
	}
}

// nextMarker returns the next marker that begins a segment or ends the image, after the data of a
// scan, if any.
func nextMarker(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b != 0xff {
			continue
		}
		for b == 0xff && err == nil {
			b, err = r.ReadByte()
		}
		if err != nil || b != 0 && (b < markRST0 || b > markRST7) {
			return b, err
		}
	}
}

// readSegment returns the contents of a segment.
func readSegment(r *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(head[0])<<8 | int(head[1])
	if n < len(head) {
		return nil, io.ErrUnexpectedEOF
	}
	segment := make([]byte, n-len(head))
	_, err := io.ReadFull(r, segment)
	return segment, err
}

// frame reads the header of a frame: precision, height, width, and the identifier, sampling factors
// and table of each component.
func (j *jpegFile) frame(marker byte, segment []byte) {
	if len(segment) < 6 || len(segment) < 6+3*int(segment[5]) {
		return
	}
	j.progressive = marker == markSOF2
	j.samples = map[byte]int64{}
	pixels := (int64(segment[1])<<8 | int64(segment[2])) * (int64(segment[3])<<8 | int64(segment[4]))
	components := int(segment[5])
	most := int64(1) // samples of a component per unit
	for i := range components {
		h, v := int64(segment[7+3*i]>>4), int64(segment[7+3*i]&15)
		most = max(most, h*v)
	}
	for i := range components {
		h, v := int64(segment[7+3*i]>>4), int64(segment[7+3*i]&15)
		j.samples[segment[6+3*i]] = pixels*h*v/most + 1
	}
}

// scan counts a scan, whose header lists its components.
func (j *jpegFile) scan(segment []byte, size int64) error {
	if j.scans++; j.scans > maxScans {
		return fmt.Errorf("a JPEG of more than %d scans is %w", maxScans, ErrTooLarge)
	}
	if j.scans == 1 && j.progressive { // whose transform is inverted at the end
		j.work = invertWork * j.allSamples()
	}
	if len(segment) == 0 || len(segment) < 1+2*int(segment[0]) {
		return nil
	}
	for i := range int(segment[0]) {
		passed := j.samples[segment[1+2*i]]
		if !j.progressive {
			passed *= invertWork
		}
		j.work += passed
	}
	if j.work > maxWork+workPerByte*size {
		return fmt.Errorf("a JPEG of so many scans of so many pixels is %w: it takes too long to decode", ErrTooLarge)
	}
	return nil
}

func (j *jpegFile) allSamples() int64 {
	all := int64(0)
	for _, n := range j.samples {
		all += n
	}
	return all
}

// memory returns the bytes that decoding takes.
func (j *jpegFile) memory(pixels int64) int64 {
	bytes := j.allSamples()
	if j.progressive {
		bytes *= 5 // with coefficients of four bytes
	}
	if len(j.samples) == 4 {
		bytes += 4 * pixels // converted from CMYK
	}
	return bytes
}
