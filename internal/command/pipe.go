package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// pipePatience is how long a named pipe may give no data.
var pipePatience = 30 * time.Second

// openInput opens a file that may be a named pipe, which may never have a writer.
func openInput(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return os.Open(name)
	}
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // else it waits for a writer
}

// pipe reads a named pipe that [openInput] has opened.
type pipe struct {
	*os.File
	began bool // it had a writer
}

// Read waits for data, and first for a writer, but not for ever.
func (p *pipe) Read(b []byte) (int, error) {
	end := time.Now().Add(pipePatience)
	p.SetReadDeadline(end) // what a system does not support has no limit
	for {
		n, err := p.File.Read(b)
		p.began = p.began || n > 0
		switch {
		case err == io.EOF && !p.began && time.Now().Before(end):
			time.Sleep(20 * time.Millisecond)
			continue
		case err == io.EOF && !p.began, errors.Is(err, os.ErrDeadlineExceeded):
			return n, fmt.Errorf("a pipe that gave no data for %v", pipePatience)
		}
		return n, err
	}
}
