// Package fetch downloads files to the user's cache folder, once.
package fetch

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lamina-go/lamina/internal/filelock"
)

// File is a file on the web, with what identifies it.
type File struct {
	URL, Name, MD5 string
	Size           int64
}

// ErrDamaged reports a file in the cache folder that has another size or checksum.
var ErrDamaged = errors.New("delete it to download it again")

// Path returns the path of the file in a cache folder.
func (a File) Path(cache string) string { return filepath.Join(cache, "lamina", a.Name) }

// Get returns the path of the file in a cache folder, after downloading it if needed. A file of
// another size or checksum there is [ErrDamaged]. progress, if not nil, is called with the bytes
// downloaded so far and their total. When ctx ends, the next download continues where this one
// stopped. If another process downloads the file, Get waits for it.
func (a File) Get(ctx context.Context, cache string, progress func(done, total int64)) (string, error) {
	file := a.Path(cache)
	if found, err := a.cached(file); found || err != nil {
		return file, err
	}
	err := a.fetch(ctx, file, progress)
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("the download of %s was interrupted: the next one continues from there: %w",
			a.URL, ctx.Err())
	}
	return file, err
}

// cached reports whether the file is in the cache folder. Its checksum is compared once, and again
// if the file has changed since.
func (a File) cached(file string) (bool, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() != a.Size {
		return false, fmt.Errorf("%s has %d bytes, not %d: %w", file, info.Size(), a.Size, ErrDamaged)
	}
	if seen, err := os.ReadFile(file + checkedSuffix); err == nil && string(seen) == a.state(info) {
		return true, nil
	}
	got, err := checksum(f)
	if err != nil {
		return false, err
	}
	if got != a.MD5 {
		return false, fmt.Errorf("%s has the MD5 %s, not %s: %w", file, got, a.MD5, ErrDamaged)
	}
	os.WriteFile(file+checkedSuffix, []byte(a.state(info)), 0o644) // if it fails, the next run compares again
	return true, nil
}

// checkedSuffix ends the name of a file that holds the state in which the checksum was right.
const checkedSuffix = ".checked"

// state identifies the contents of the file without reading them.
func (a File) state(info os.FileInfo) string {
	return fmt.Sprintf("%s %d %s\n", a.MD5, info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
}

// lock waits until no other process downloads the file.
func lock(ctx context.Context, file string) (*os.File, error) {
	for {
		held, err := filelock.Acquire(file + ".lock")
		if !errors.Is(err, filelock.ErrLocked) {
			return held, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// fetch downloads to file. Until the file is complete and checked its name is file.part, which a
// later download continues.
func (a File) fetch(ctx context.Context, file string, progress func(done, total int64)) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	held, err := lock(ctx, file)
	if err != nil {
		return err
	}
	defer held.Close()
	if found, err := a.cached(file); found || err != nil { // by another process meanwhile
		return err
	}
	part := file + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		f.Close() // Windows cannot remove an open file; a second Close is harmless
		if info, err := os.Stat(part); err == nil && info.Size() == 0 {
			os.Remove(part)
		}
	}()
	for {
		before, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		if before >= a.Size {
			break
		}
		err = a.get(ctx, f, before, progress)
		after, _ := f.Seek(0, io.SeekEnd)
		if err != nil && (ctx.Err() != nil || after == before) {
			return err // else the connection broke: continue
		}
	}
	if err := a.check(f); err != nil {
		os.Remove(part) // the next download must start again
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	f.Close() // Windows cannot rename an open file
	if err := os.Rename(part, file); err != nil {
		return err
	}
	if info, err := os.Stat(file); err == nil {
		os.WriteFile(file+checkedSuffix, []byte(a.state(info)), 0o644)
	}
	return nil
}

// patience is how long a download may stall before it counts as broken.
var patience = 30 * time.Second

var errSilent = errors.New("the server sends nothing")

// get writes the file to f from byte start, or all of it if the server ignores ranges.
func (a File) get(ctx context.Context, f *os.File, start int64, progress func(done, total int64)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(patience, func() { stop(errSilent) })
	defer silence.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return err
	}
	if start > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", start))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // ranges are of the file itself
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return a.broken(ctx, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK && response.ContentLength >= 0 && response.ContentLength != a.Size:
		// Keep the partial file: this may be the sign-in page of a network.
		return fmt.Errorf("%s sends another file, of %d bytes, not %d", a.URL, response.ContentLength, a.Size)
	case response.StatusCode == http.StatusOK:
		start = 0
	case response.StatusCode != http.StatusPartialContent,
		!strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", start)):
		return fmt.Errorf("%s answers %q", a.URL, response.Status)
	}
	w := &meter{io.NewOffsetWriter(f, start), start, a.Size, func(done, total int64) {
		silence.Reset(patience)
		if progress != nil {
			progress(done, total)
		}
	}}
	if _, err := io.Copy(w, io.LimitReader(response.Body, a.Size-start)); err != nil {
		return a.broken(ctx, err)
	}
	if w.done < a.Size {
		return fmt.Errorf("%s ends after %d of %d bytes", a.URL, w.done, a.Size)
	}
	return nil
}

// broken returns why a download broke: the cause of the end of ctx, if it ended, or err.
func (a File) broken(ctx context.Context, err error) error {
	if request := (*url.Error)(nil); errors.As(err, &request) {
		err = request.Err // without the URL, which the caller adds
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s: %w", a.URL, err)
}

// check compares the checksum of f.
func (a File) check(f *os.File) error {
	got, err := checksum(f)
	if err == nil && got != a.MD5 {
		err = fmt.Errorf("the file from %s has the MD5 %s, not %s", a.URL, got, a.MD5)
	}
	return err
}

// checksum returns the MD5 of a file.
func checksum(f *os.File) (string, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := md5.New()
	_, err := io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// meter reports the bytes written.
type meter struct {
	w           io.Writer
	done, total int64
	progress    func(done, total int64)
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.w.Write(b)
	m.done += int64(n)
	m.progress(m.done, m.total)
	return n, err
}
