package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// Stdout and Stderr are the only streams to which the program prints, so that text from files
// cannot control the terminal.
var (
	Stdout = &Output{file: os.Stdout}
	Stderr = &Output{file: os.Stderr}
)

// Output is a stream of text. It writes control characters other than newlines and tabs as escapes,
// like \u001b, which JSON reads as the same character. Several goroutines may use it.
type Output struct {
	file *os.File
	lock sync.Mutex
	rest []byte // the beginning of a character that the next Write completes
}

// Write prints text in UTF-8. If nobody reads the stream, the context of [Context] ends.
func (o *Output) Write(text []byte) (int, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	all := append(o.rest, text...)
	end := len(all)
	for i := max(0, end-utf8.UTFMax+1); i < end; i++ {
		if utf8.RuneStart(all[i]) && !utf8.FullRune(all[i:]) {
			end = i
		}
	}
	_, err := o.file.WriteString(escape(string(all[:end]), "\n\t"))
	o.rest = append([]byte(nil), all[end:]...)
	if errors.Is(err, syscall.EPIPE) {
		if stop := withoutReader.Load(); stop != nil {
			(*stop)()
		}
	}
	if err != nil {
		return 0, err
	}
	return len(text), nil
}

// Printf prints formatted text. Like fmt.Printf for a terminal it has no error to check.
func (o *Output) Printf(format string, values ...any) { fmt.Fprintf(o, format, values...) }

// withoutReader is called when a stream has no reader.
var withoutReader atomic.Pointer[context.CancelFunc]

// OneLine escapes what [Output] does, and newlines and tabs.
func OneLine(text string) string { return escape(text, "") }

// escape replaces control characters, except some, bytes that are not UTF-8, and characters that
// reverse the order of others.
func escape(text, except string) string {
	unsafe := func(r rune) bool {
		return r == utf8.RuneError || !strings.ContainsRune(except, r) &&
			(unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
	}
	if !strings.ContainsFunc(text, unsafe) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r != utf8.RuneError && unsafe(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}
