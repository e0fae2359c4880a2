package cifar

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// archive is a file on the web, and how to know it.
type archive struct {
	url, name, md5 string
	size           int64
}

// official returns the binary distribution of https://www.cs.toronto.edu/~kriz/cifar.html.
func official() archive {
	const name = "cifar-10-binary.tar.gz"
	return archive{"https://www.cs.toronto.edu/~kriz/" + name, name, "c32a1d4ab5d03f1284b67883e8d87530", 170_052_171}
}

// download returns the path of the archive in the lamina folder of the cache folder, after
// fetching it if it is not there. An error says what can be done instead.
func download(ctx context.Context, a archive, cache string, progress func(done, total int64)) (string, error) {
	file := filepath.Join(cache, "lamina", a.name)
	if exists(file) {
		return file, nil
	}
	if err := a.fetch(ctx, file, progress); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("cifar: the download of %s was interrupted: the next one goes on from there: %w", a.url, ctx.Err())
		}
		return "", fmt.Errorf("cifar: CIFAR-10 cannot be downloaded: %w: take the built-in data with --data %s, or put the file %s to %s",
			err, BuiltIn, a.name, file)
	}
	return file, nil
}

// fetch downloads the archive to file. Until it is whole and checked its name is
// file.part; a part that an earlier download left is taken up. Two downloads
// at the same time write the same bytes to the same places.
func (a archive) fetch(ctx context.Context, file string, progress func(done, total int64)) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	part := file + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		before, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		if before >= a.size {
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

// get writes the archive to f from byte start on, or all of it where the server
// sends nothing less.
func (a archive) get(ctx context.Context, f *os.File, start int64, progress func(done, total int64)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return err
	}
	if start > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", start))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	transport.DisableCompression = true // the archive itself is what is wanted
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
		start = 0
	case response.StatusCode != http.StatusPartialContent,
		!strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", start)):
		return fmt.Errorf("%s answers %q", a.url, response.Status)
	}
	w := &meter{io.NewOffsetWriter(f, start), start, a.size, progress}
	if _, err := io.Copy(w, io.LimitReader(response.Body, a.size-start)); err != nil {
		return fmt.Errorf("%s: %w", a.url, err)
	}
	if w.done < a.size {
		return fmt.Errorf("%s ends after %d of %d bytes", a.url, w.done, a.size)
	}
	return nil
}

// check compares the checksum of f with what it should be.
func (a archive) check(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := md5.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != a.md5 {
		return fmt.Errorf("what %s sends has the MD5 %s, not %s", a.url, got, a.md5)
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
	if m.progress != nil {
		m.progress(m.done, m.total)
	}
	return n, err
}
