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
)

// File is a file on the web, and how to know it.
type File struct {
	URL, Name, MD5 string
	Size           int64
}

// ErrDamaged is of a file in the cache folder that is another one.
var ErrDamaged = errors.New("delete it, and it is fetched again")

// Path returns where the file is in a cache folder, or will be.
func (a File) Path(cache string) string { return filepath.Join(cache, "lamina", a.Name) }

// Get returns the path of the file in a cache folder, after downloading it if it is not there; one of another size there
// is ErrDamaged. Progress, if not nil, is called with the bytes downloaded so far and all of them. What has come stays for
// the next time when ctx ends.
func (a File) Get(ctx context.Context, cache string, progress func(done, total int64)) (string, error) {
	file := a.Path(cache)
	if info, err := os.Stat(file); err == nil && info.Size() == a.Size {
		return file, nil
	} else if err == nil {
		return "", fmt.Errorf("%s has %d bytes, not %d: %w", file, info.Size(), a.Size, ErrDamaged)
	}
	err := a.fetch(ctx, file, progress)
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("the download of %s was interrupted: the next one goes on from there: %w", a.URL, ctx.Err())
	}
	return file, err
}

// fetch downloads to file. Until it is whole and checked its name is
// file.part; a part that an earlier download left is taken up. Two downloads
// at the same time write the same bytes to the same places.
func (a File) fetch(ctx context.Context, file string, progress func(done, total int64)) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	part := file + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		f.Close() // before the removal, for Windows; a second Close does no harm
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
			return err // else it broke on the way: go on from there
		}
	}
	if err := a.check(f); err != nil {
		os.Remove(part) // it is of no use to the next download
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	f.Close() // before the renaming, for Windows
	return os.Rename(part, file)
}

// patience is how long nothing may come of a download before it counts as broken.
var patience = 30 * time.Second

var errSilent = errors.New("nothing came for too long")

// get writes the file to f from byte start on, or all of it where the server
// sends nothing less.
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
	transport.DisableCompression = true // the file itself is what is wanted
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return a.broken(ctx, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK && response.ContentLength >= 0 && response.ContentLength != a.Size:
		// It is not to spoil the part that is here: the page of a network that wants its users to sign in, say.
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

// broken returns why a download broke: the reason for which ctx ended, if it did, or else err.
func (a File) broken(ctx context.Context, err error) error {
	if request := (*url.Error)(nil); errors.As(err, &request) {
		err = request.Err // which does not name the URL
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s: %w", a.URL, err)
}

// check compares the checksum of f with what it should be.
func (a File) check(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := md5.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != a.MD5 {
		return fmt.Errorf("what %s sends has the MD5 %s, not %s", a.URL, got, a.MD5)
	}
	return nil
}

// meter reports what is written.
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
