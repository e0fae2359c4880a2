//go:build unix

package command

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
)

// TestLinksAndPipes classifies the images of a folder named by a link. A pipe without a writer and
// a link to the folder itself do not block it.
func TestLinksAndPipes(t *testing.T) {
	folder := t.TempDir()
	clitest.Put(t, classifytest.PNG(t, 0), folder, "a.png")
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
	files := decode(t, clitest.Expect(t, clitest.Command(t, "predict", classifytest.Run(t), link, "--json"), 1,
		[]string{in("circle"), "link to a folder"}, []string{in("lost.png"), "no such file"},
		[]string{in("pipe.png"), "not a file"}, []string{"3 of 5"}))
	if len(files) != 5 || files[0].Name != in("a.png") || files[0].Classes == nil || files[1].Name != in("b.png") || files[1].Classes == nil {
		t.Errorf("%+v, want 5 images, the first two with classes", files)
	}
}
