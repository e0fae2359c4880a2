package infile

import "bytes"

// kinds are files that people take for others, by how they begin.
var kinds = []struct{ start, is string }{
	{"version https://git-lfs.github.com/spec/",
		"it is a pointer of Git LFS, not the file itself: fetch the file with git lfs pull"},
	{"<!doctype html", "it is a web page, not the file itself: download the file again"},
	{"<html", "it is a web page, not the file itself: download the file again"},
	{"<?xml", "it is an XML document, perhaps an error of the server it came from: download the file again"},
	{"\x1f\x8b", "it is compressed by gzip: unpack it"},
}

// KindLength is how much of a file's beginning [Kind] looks at.
const KindLength = 512

// Kind returns what is wrong with a file that begins like one that people take for others, and
// the remedy; "" if it does not.
func Kind(start []byte) string {
	start = bytes.TrimPrefix(start[:min(len(start), KindLength)], []byte("\xef\xbb\xbf"))
	start = bytes.TrimLeft(start, " \t\r\n")
	for _, k := range kinds {
		if len(start) >= len(k.start) && bytes.EqualFold(start[:len(k.start)], []byte(k.start)) {
			return k.is
		}
	}
	return ""
}
