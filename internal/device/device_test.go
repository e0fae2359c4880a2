package device

import (
	"strings"
	"testing"
)

// Requiring a missing card is an error that names the alternative.
func TestNoCard(t *testing.T) {
	for _, test := range []struct{ backend, precision, words string }{
		{"cudnn", "fp32", "--backend cpu"},
		{"auto", "tf32", "fp32 or bf16"},
	} {
		o := Defaults()
		o.Backend, o.Precision = test.backend, test.precision
		b, err := o.Open(nil)
		if err == nil {
			b.Close()
			t.Skip("there is a card")
		}
		if !strings.Contains(err.Error(), test.words) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s, %s: %v", test.backend, test.precision, err)
		}
	}
}
