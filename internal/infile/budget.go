package infile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// allowance is the memory that reading a file may take beyond its size.
const allowance = 48 << 20

// Budget is the memory that all readers of one file together may allocate: little more than its
// size, whatever the file claims to hold. A reader calls Take before it allocates. Data that are
// copied from the file unchanged need no budget, since the file's size bounds them.
type Budget struct {
	size, left int64
}

// NewBudget returns the budget for a file of size bytes.
func NewBudget(size int64) *Budget { return &Budget{size, size + allowance} }

// expansion is how many times the data of a compressed archive may be larger than its file.
const expansion = 16

// NewArchiveBudget returns the budget for a compressed archive of size bytes.
func NewArchiveBudget(size int64) *Budget { return &Budget{size, expansion*size + allowance} }

// Take takes n bytes from the budget. The error says that the file needs more than is left.
func (b *Budget) Take(n int64) error {
	if n < 0 || n > b.left {
		return fmt.Errorf("the contents need far more memory than a file of %d bytes justifies", b.size)
	}
	b.left -= n
	return nil
}

// What decoding allocates for a value at most: an entry of a slice or of a map that grows.
const (
	jsonValue = 128
	jsonEntry = 320
)

// JSON decodes text, which is part of the file, to the variable that v points to. Errors use the
// words of JSON, not of Go.
func (b *Budget) JSON(text []byte, v any) error {
	// Separators within strings count too: such a string may itself be JSON.
	values := 0
	for _, separator := range []string{",", "{", "["} {
		values += bytes.Count(text, []byte(separator))
	}
	each := int64(jsonValue)
	if reflect.TypeOf(v).Elem().Kind() == reflect.Map {
		each = jsonEntry
	}
	if err := b.Take(2*int64(len(text)) + each*int64(values)); err != nil {
		return err
	}
	return JSON(text, v)
}

// JSON is json.Unmarshal with errors that use the words of JSON, not of Go.
func JSON(text []byte, v any) error {
	err := json.Unmarshal(text, v)
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%q is a JSON %s, which is not expected there", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("it is a JSON %s, which is not expected there", kind.Value)
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON: %w", err)
	}
	return err
}
