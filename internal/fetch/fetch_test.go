package fetch

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// After a stall the rest is requested again, as long as bytes arrive. Ctrl-C ends the waiting.
func TestSilence(t *testing.T) {
	defer func(was time.Duration) { patience = was }(patience)
	patience = 500 * time.Millisecond // enough for a loaded machine to answer
	content := bytes.Repeat([]byte("lamina"), 1000)
	sum := md5.Sum(content)
	for _, test := range []struct {
		name    string
		answers int // of 2000 bytes each, then nothing
		cancel  bool
		err     string
	}{
		{"continues", 3, false, ""},
		{"ends", 2, false, errSilent.Error()},
		{"never starts", 0, false, errSilent.Error()},
		{"is interrupted", 1, true, "was interrupted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			asked := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked++; asked <= test.answers {
					part := &upTo{w, 2000}
					http.ServeContent(part, r, "", time.Time{}, bytes.NewReader(content))
					w.(http.Flusher).Flush()
				}
				if test.cancel {
					cancel()
				}
				<-r.Context().Done()
			}))
			defer s.Close()
			a := File{URL: s.URL, Name: "file", MD5: hex.EncodeToString(sum[:]), Size: int64(len(content))}
			path, err := a.Get(ctx, t.TempDir(), nil)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes of others, or %v", len(got), err)
			}
		})
	}
}

// A network that answers with a page of its own does not damage the partial file.
func TestAnotherFile(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("sign in")) }))
	defer s.Close()
	a, cache := File{URL: s.URL, Name: "file", Size: 1000}, t.TempDir()
	part := a.Path(cache) + ".part"
	if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, []byte("the beginning"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Get(context.Background(), cache, nil); err == nil || !strings.Contains(err.Error(), "another file, of 7 bytes, not 1000") {
		t.Errorf("error %v, want that it is another file", err)
	}
	if text, err := os.ReadFile(part); string(text) != "the beginning" {
		t.Errorf("the part is %q, %v", text, err)
	}
}

// upTo sends the first bytes of an answer only.
type upTo struct {
	http.ResponseWriter
	left int
}

func (w *upTo) Write(b []byte) (int, error) {
	if w.left < len(b) {
		w.ResponseWriter.Write(b[:w.left])
		return w.left, errors.New("enough")
	}
	w.left -= len(b)
	return w.ResponseWriter.Write(b)
}
