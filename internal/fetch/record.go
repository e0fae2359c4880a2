package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/lamina-go/lamina/internal/filelock"
)

// record is a small file beside a downloaded one. It is locked while a process downloads or checks
// that, and holds what was checked. A nil record has nothing.
type record struct{ *os.File }

// lock opens the record of a file, and waits while another process has it locked. It is nil in a
// folder without write access or locks. Closing it unlocks it.
func (a File) lock(ctx context.Context, file string, progress func(done, total int64)) (*record, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".checked")
	for {
		f, err := filelock.Acquire(path)
		if err == nil {
			return &record{f}, nil
		}
		if !errors.Is(err, filelock.ErrLocked) {
			return nil, nil
		}
		if info, err := os.Stat(file + ".part"); err == nil && progress != nil && info.Size() > 0 {
			progress(min(info.Size(), a.Size), a.Size)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

const pollInterval = 200 * time.Millisecond

// has reports whether the file was checked as it is.
func (r *record) has(a File, info os.FileInfo) bool {
	if r == nil {
		return false
	}
	text, err := io.ReadAll(io.LimitReader(r, 1000))
	return err == nil && string(text) == describe(a, info)
}

// write stores that the file at path is right. Otherwise it is checked again.
func (r *record) write(a File, path string) {
	info, err := os.Stat(path)
	if r == nil || err != nil || r.Truncate(0) != nil {
		return
	}
	r.WriteAt([]byte(describe(a, info)), 0)
}

// describe names what changes when a file does.
func describe(a File, info os.FileInfo) string {
	return fmt.Sprintf("%s %d %d\n", a.MD5, info.Size(), info.ModTime().UnixNano())
}
