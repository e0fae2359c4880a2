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
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// After a stall the rest is requested again, as long as bytes arrive. Ctrl-C ends the waiting.
func TestSilence(t *testing.T) {
	defer func(was time.Duration) { patience = was }(patience)
	patience = 100 * time.Millisecond
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

// Ten downloads at once are one.
func TestConcurrent(t *testing.T) {
	content := bytes.Repeat([]byte("lamina"), 100_000)
	sum := md5.Sum(content)
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		time.Sleep(50 * time.Millisecond)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	defer s.Close()
	a, cache := File{URL: s.URL, Name: "file", MD5: hex.EncodeToString(sum[:]), Size: int64(len(content))}, t.TempDir()
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			path, err := a.Get(context.Background(), cache, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes of others, or %v", len(got), err)
			}
		})
	}
	group.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// A cached file of the right size with other contents is damaged, whenever they changed.
func TestCached(t *testing.T) {
	content := []byte("the contents")
	sum := md5.Sum(content)
	a, cache := File{URL: "http://nowhere.invalid", Name: "file", MD5: hex.EncodeToString(sum[:]), Size: int64(len(content))}, t.TempDir()
	file := a.Path(cache)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(text string, age time.Duration) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	damaged := func() {
		t.Helper()
		if _, err := a.Get(context.Background(), cache, nil); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), file+" has the MD5 ") {
			t.Errorf("error %v", err)
		}
	}
	good := func() {
		t.Helper()
		if got, err := a.Get(context.Background(), cache, nil); err != nil || got != file {
			t.Errorf("%s, %v", got, err)
		}
	}
	put("the c0ntents", 3*time.Hour)
	damaged()
	put("the contents", 2*time.Hour)
	good()
	good()
	put("the c0ntents", 1*time.Hour)
	damaged()
	was := time.Now().Add(-2 * time.Hour)
	put("the contents", 0)
	good()
	if err := os.Chtimes(file, time.Time{}, was); err != nil {
		t.Fatal(err)
	}
	good()
	if seen, err := os.ReadFile(file + checkedSuffix); err != nil || !strings.Contains(string(seen), a.MD5) {
		t.Errorf("checked: %q, %v", seen, err)
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
