package cifar

import "image"

// Image returns a copy of image i. The error is of a cache file that cannot be read.
func (s Images) Image(i int) (*image.NRGBA, error) {
	h, w := s.size()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	pixels, err := s.read(i, make([]byte, s.bytes()))
	if err != nil {
		return nil, err
	}
	for j, v := range pixels {
		m.Pix[j/Channels*4+j%Channels] = v
	}
	for j := 3; j < len(m.Pix); j += 4 {
		m.Pix[j] = 255
	}
	return m, nil
}
