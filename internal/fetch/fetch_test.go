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

// serve returns a file of a server that answers slowly, and the number of its answers.
func serve(t *testing.T, content []byte) (File, *atomic.Int64) {
	var answers atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers.Add(1)
		time.Sleep(50 * time.Millisecond)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(s.Close)
	sum := md5.Sum(content)
	return File{URL: s.URL, Name: "file", MD5: hex.EncodeToString(sum[:]), Size: int64(len(content))}, &answers
}

// Of several downloads at once, one downloads and all succeed.
func TestTogether(t *testing.T) {
	content := bytes.Repeat([]byte("lamina"), 100_000)
	for range 5 {
		a, answers := serve(t, content)
		cache := t.TempDir()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
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
		all.Wait()
		if n := answers.Load(); n != 1 {
			t.Errorf("%d downloads, want 1", n)
		}
	}
}

// A waiting download ends with its context.
func TestWaiting(t *testing.T) {
	a, _ := serve(t, []byte("lamina"))
	cache := t.TempDir()
	if err := os.MkdirAll(filepath.Dir(a.Path(cache)), 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := a.lock(context.Background(), a.Path(cache), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := a.Get(ctx, cache, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// A file of the right size is checked by its checksum, once.
func TestCheckedOnce(t *testing.T) {
	content := []byte("lamina")
	a, _ := serve(t, content)
	cache := t.TempDir()
	path, err := a.Get(context.Background(), cache, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(text string, at time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	put("lamima", info.ModTime()) // which a checksum alone would find
	if _, err := a.Get(context.Background(), cache, nil); err != nil {
		t.Errorf("the checksum is computed again: %v", err)
	}
	put("lamima", info.ModTime().Add(time.Second))
	if _, err := a.Get(context.Background(), cache, nil); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want that %s is damaged", err, path)
	}
	put("lamina", info.ModTime().Add(2*time.Second)) // as a user who copies it
	os.Remove(filepath.Join(filepath.Dir(path), ".file.checked"))
	if _, err := a.Get(context.Background(), cache, nil); err != nil {
		t.Error(err)
	}
}

// A link in place of the partial file is not followed.
func TestPartIsALink(t *testing.T) {
	a, _ := serve(t, []byte("lamina"))
	cache := t.TempDir()
	target := filepath.Join(cache, "target")
	err := errors.Join(os.MkdirAll(filepath.Dir(a.Path(cache)), 0o755), os.WriteFile(target, []byte("a user's"), 0o644),
		os.Symlink(target, a.Path(cache)+".part"))
	if err != nil {
		t.Skip(err)
	}
	if _, err := a.Get(context.Background(), cache, nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
	if text, err := os.ReadFile(target); string(text) != "a user's" {
		t.Errorf("the target is %q, %v", text, err)
	}
}
