package infile

import (
	"errors"
	"strings"
	"testing"
)

func TestBudget(t *testing.T) {
	b := NewBudget(1000)
	for _, n := range []int64{0, 1000, allowance} {
		if err := b.Take(n); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, n := range []int64{1, -1, 1 << 62} {
		if err := b.Take(n); err == nil || !strings.Contains(err.Error(), "a file of 1000 bytes") {
			t.Errorf("%d bytes of an empty budget: error %v", n, err)
		}
	}
}

func TestJSON(t *testing.T) {
	var into struct {
		List []struct{ Name string } `json:"list"`
	}
	for text, want := range map[string]string{
		`{"list":[{"name":"a"}]}`:            "",
		`[]`:                                 "it is a JSON array, which is not expected there",
		`{"list":[{"Name":7}]}`:              `"list.Name" is a JSON number`,
		`{"list":`:                           "not valid JSON: unexpected end of JSON input",
		"[" + strings.Repeat("{},", 1000000): "far more memory",
		`"` + strings.Repeat("{", 1000000):   "far more memory",
	} {
		err := NewBudget(int64(len(text))).JSON([]byte(text), &into)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: error %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "struct")) {
			t.Errorf("%.40s: %v names a type of Go", text, err)
		}
	}
}

func TestKind(t *testing.T) {
	for start, want := range map[string]string{
		"version https://git-lfs.github.com/spec/v1\noid sha256:00": "Git LFS",
		"\xef\xbb\xbf \r\n<!DOCTYPE HTML><p>":                       "web page",
		"\n<HTML lang=en>":                                          "web page",
		"<?xml version='1.0'?><Error>":                              "XML",
		"\x1f\x8b\x08":                                              "gzip",
		"\x89HDF\r\n\x1a\n":                                         "",
		"":                                                          "",
		strings.Repeat(" ", 600) + "<html>":                         "",
	} {
		if got := Kind([]byte(start)); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%.20q is %q, want %q", start, got, want)
		}
	}
}

// decoder is a type that decodes itself.
type decoder struct{}

var errDecoder = errors.New("an unknown layer")

func (*decoder) UnmarshalJSON([]byte) error { return errDecoder }

// An error of a type that decodes itself is not one of JSON.
func TestJSONOfDecoders(t *testing.T) {
	if err := JSON([]byte("{}"), new(decoder)); err != errDecoder {
		t.Errorf("error %v, want %v", err, errDecoder)
	}
}
