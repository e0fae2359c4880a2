package classify_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/classifytest"
)

// TestOtherModule builds a program in a module of its own, which embeds the small model, and runs
// its tests with the race detector: see testdata/app.
func TestOtherModule(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	version := regexp.MustCompile(`(?m)^go .*$`).Find(readFile(t, filepath.Join(root, "go.mod")))
	write("go.mod", fmt.Appendf(nil, "module example.com/app\n\n%s\n\nrequire github.com/lamina-go/lamina v0.0.0\n\n"+
		"replace github.com/lamina-go/lamina => %q\n", version, root))
	write("go.sum", readFile(t, filepath.Join(root, "go.sum")))
	write("app_test.go", readFile(t, "testdata/app/app_test.go"))
	for name, file := range modelFiles(t) {
		write("models/"+strings.Replace(strings.TrimPrefix(name, "models/"), "shapes/", "run/", 1), file.Data)
	}
	const count = 40
	want, err := json.Marshal(classifytest.Probabilities(t, 0, count))
	if err != nil {
		t.Fatal(err)
	}
	write("images/want.json", want)
	for i := range count {
		write(fmt.Sprintf("images/%d.png", i), classifytest.PNG(t, i))
	}

	command := func(args ...string) (string, error) {
		c := exec.Command("go", args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local", "CGO_ENABLED=1")
		text, err := c.CombinedOutput()
		return string(text), err
	}
	if text, err := command("list", "-test", "-deps", "./..."); err != nil {
		if strings.Contains(text, "GOPROXY=off") {
			t.Skipf("the module cache lacks a module, which this test does not download:\n%s", text)
		}
		t.Fatalf("%v\n%s", err, text)
	}
	compiler, err := command("env", "CC")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(strings.Fields(compiler + " none")[0]); err != nil {
		t.Skipf("the race detector needs a C compiler: %v", err)
	}
	duration := 10 * time.Second
	if testing.Short() {
		duration = time.Second
	}
	text, err := command("test", "-race", "-v", ".", "-duration", duration.String())
	if strings.Contains(text, "-race is only supported on") {
		t.Skip(text)
	}
	t.Logf("%s", text)
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{"TestConcurrent", "TestOpenClose"} {
		if !strings.Contains(text, "--- PASS: "+name) {
			t.Errorf("%s did not pass", name)
		}
	}
}
