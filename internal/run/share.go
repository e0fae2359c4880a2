package run

import (
	"errors"
	"strconv"
)

// share is a part of the training images, 0 if it is not given.
type share float64

// MarshalText writes the share, or nothing.
func (s share) MarshalText() ([]byte, error) {
	if s == 0 {
		return nil, nil
	}
	return strconv.AppendFloat(nil, float64(s), 'g', -1, 64), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *share) UnmarshalText(text []byte) error {
	*s = 0
	if len(text) == 0 {
		return nil
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(v > 0 && v < 1) {
		return errors.New("must be above 0 and below 1, as 0.2")
	}
	*s = share(v)
	return nil
}
