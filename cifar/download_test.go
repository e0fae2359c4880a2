package cifar

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/fetch"
)

// server serves content through handle, and returns what to download.
func server(t *testing.T, content []byte, handle http.HandlerFunc) fetch.File {
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	sum := md5.Sum(content)
	return fetch.File{URL: s.URL + "/data.tar.gz", Name: "data.tar.gz", MD5: hex.EncodeToString(sum[:]), Size: int64(len(content))}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestDownload(t *testing.T) {
	content := randomBytes(300_000)
	wrong := bytes.Clone(content)
	wrong[0]++
	whole := func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
	// broken sends n bytes of what is requested, then closes the connection.
	broken := func(w http.ResponseWriter, start, n int) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-start))
		if start > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(content[start : start+n])
		panic(http.ErrAbortHandler)
	}
	tests := []struct {
		name   string
		part   []byte // left by an earlier download
		handle func(n int, w http.ResponseWriter, r *http.Request)
		ranges string // requested, in order
		err    string // none if empty
	}{
		{"at once", nil, func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r) }, "[]", ""},
		{"continues", content[:1000], func(n int, w http.ResponseWriter, r *http.Request) { whole(w, r) }, "[bytes=1000-]", ""},
		{"part is whole", content, nil, "", ""},
		{"broken twice", nil, func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				broken(w, 0, 100_000)
			case 2:
				broken(w, 100_000, 50_000)
			default:
				whole(w, r)
			}
		}, "[] [bytes=100000-] [bytes=150000-]", ""},
		{"server without ranges", content[:1000], func(n int, w http.ResponseWriter, r *http.Request) { w.Write(content) }, "[bytes=1000-]", ""},
		{"sends no more", nil, func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				broken(w, 0, 100_000)
			}
			broken(w, 100_000, 0)
		}, "[] [bytes=100000-]", "EOF"},
		{"too short", nil, func(n int, w http.ResponseWriter, r *http.Request) {
			w.Write(content[:500])
			w.(http.Flusher).Flush() // the length stays unknown
		}, "[] [bytes=500-]", "ends after 500 of 300000 bytes"},
		{"another range", content[:1000], func(n int, w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Range", "bytes=5-")
			whole(w, r)
		}, "[bytes=1000-]", "answers"},
		{"other content", nil, func(n int, w http.ResponseWriter, r *http.Request) { w.Write(wrong) }, "[]", "MD5"},
		{"other part", wrong, nil, "", "MD5"},
		{"part too long", append(bytes.Clone(content), 0), nil, "", "MD5"},
		{"not found", nil, func(n int, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, "[]", "404 Not Found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string
			a := server(t, content, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, fmt.Sprint(r.Header["Range"]))
				test.handle(len(asked), w, r)
			})
			cache := t.TempDir()
			file := filepath.Join(cache, "lamina", "data.tar.gz")
			if test.part != nil {
				os.Mkdir(filepath.Dir(file), 0o755)
				os.WriteFile(file+".part", test.part, 0o644)
			}
			var last int64
			path, err := download(context.Background(), a, cache, func(done, total int64) {
				if done <= 0 || done > total || total != a.Size {
					t.Errorf("progress: %d of %d", done, total)
				}
				last = done
			})
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(asked, " "); got != test.ranges {
				t.Errorf("requested %s, want %s", got, test.ranges)
			}
			if test.err != "" {
				if err == nil {
					t.Fatal("no error")
				}
				for _, want := range []string{test.err, "--data shapes", file} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q does not name %q", err, want)
					}
				}
				if isFile(file) {
					t.Error("the file is there in spite of the error")
				}
				if test.err == "MD5" && isFile(file+".part") {
					t.Error("the wrong part is still there")
				}
				if info, err := os.Stat(file + ".part"); err == nil && info.Size() == 0 {
					t.Error("an empty part is there")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(path); path != file || !bytes.Equal(got, content) {
				t.Errorf("%s holds %d other bytes", path, len(got))
			}
			if isFile(file + ".part") {
				t.Error("the part is still there")
			}
			if test.handle != nil && last != a.Size {
				t.Errorf("progress ends at %d", last)
			}
			// The second time nothing is requested.
			a.URL = "http://nowhere.invalid"
			if _, err := download(context.Background(), a, cache, nil); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

func TestDownloadWithoutNetwork(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close() // now nothing listens there
	cache := t.TempDir()
	_, err := download(context.Background(), fetch.File{URL: s.URL, Name: "data.tar.gz", Size: 5}, cache, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"refused", "--data shapes", filepath.Join(cache, "lamina", "data.tar.gz")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %q", err, want)
		}
	}
}

func TestDownloadInterrupted(t *testing.T) {
	content := randomBytes(1000)
	ctx, cancel := context.WithCancel(context.Background())
	a := server(t, content, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write(content[:600])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	cache := t.TempDir()
	_, err := download(ctx, a, cache, func(done, total int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	part, _ := os.ReadFile(filepath.Join(cache, "lamina", "data.tar.gz.part"))
	if !bytes.Equal(part, content[:600]) {
		t.Errorf("%d bytes are kept, want 600", len(part))
	}
}

// The folder that downloads go to cannot be made.
func TestDownloadNowhere(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "file")
	os.WriteFile(cache, nil, 0o644)
	_, err := download(context.Background(), official(), cache, nil)
	if err == nil || !strings.Contains(err.Error(), "--data shapes") {
		t.Errorf("error %v", err)
	}
}
