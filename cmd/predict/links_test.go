//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
)

// TestLinksAndPipes finds the pictures of a folder that is named by a link, in which a pipe that nobody writes to does not
// keep the others waiting, nor a link in a circle.
func TestLinksAndPipes(t *testing.T) {
	folder := t.TempDir()
	put(t, pngOf(t, shape(0)), folder, "a.png")
	link := filepath.Join(t.TempDir(), "link")
	for path, to := range map[string]string{link: folder, filepath.Join(folder, "b.png"): "a.png", filepath.Join(folder, "circle"): ".",
		filepath.Join(folder, "lost.png"): "nowhere", filepath.Join(folder, "notes"): "nowhere"} {
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.png"), 0o644); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(link, name) }
	files := decode(t, clitest.Expect(t, clitest.Command(t, model(t), link, "--json"), 1,
		[]string{in("circle"), "link to a folder"}, []string{in("lost.png"), "no such file"}, []string{in("pipe.png"), "not a file"}, []string{"3 of 5"}))
	if len(files) != 5 || files[0].Name != in("a.png") || files[0].Scores == nil || files[1].Name != in("b.png") || files[1].Scores == nil {
		t.Errorf("%+v, want 5 pictures, the first two with classes", files)
	}
}
