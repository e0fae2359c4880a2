//go:build unix

package command

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
)

// TestPipe reads named pipes: one whose writer comes late, and ones without or with a silent one.
func TestPipe(t *testing.T) {
	defer func(was time.Duration) { pipePatience = was }(pipePatience)
	m, err := classify.Open(classifytest.Run(t), classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	load := func(write func(path string)) ([]float32, error) {
		path := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if write != nil {
			go write(path)
		}
		return (&imageFile{Name: path}).load(m)
	}
	x, err := load(func(path string) {
		time.Sleep(100 * time.Millisecond)
		os.WriteFile(path, classifytest.PNG(t, 0), 0)
	})
	if err != nil || len(x) != 32*32*3 {
		t.Errorf("a late writer: %d elements, %v", len(x), err)
	}
	pipePatience = 200 * time.Millisecond
	silent := func(path string) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		f.Write(classifytest.PNG(t, 0)[:50])
		time.Sleep(time.Second)
	}
	for name, write := range map[string]func(string){"no writer": nil, "a silent writer": silent} {
		began := time.Now()
		if _, err := load(write); err == nil || !strings.Contains(err.Error(), "a pipe that gave no data") {
			t.Errorf("%s: error %v", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}
