// Package lamina_test checks that the documents tell the truth: the layout in README.md, its code
// and the links between files.
package lamina_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lamina-go/lamina/"

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLayout compares the table of directories in README.md with the imports of all packages, those
// of -tags cudnn included. A package belongs to the longest directory of the table that holds it,
// and may import packages of its own row and of the rows below.
func TestLayout(t *testing.T) {
	_, section, found := strings.Cut(read(t, "README.md"), "\n## Layout\n")
	if !found {
		t.Fatal("README.md has no section Layout")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]int{} // by directory
	for i, line := range regexp.MustCompile(`(?m)^\|[^|]*`).FindAllString(section, -1) {
		for _, dir := range regexp.MustCompile("`[^`]+`").FindAllString(line, -1) {
			rows[strings.Trim(dir, "`")] = i
		}
	}

	const line = "{{if or .GoFiles .CgoFiles}}{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{end}}"
	list := exec.Command("go", "list", "-tags", "cudnn", "-f", line, "./...")
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	list.Stderr = os.Stderr
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	rowOf := func(pkg string) (row int, ok bool) {
		for dir := strings.TrimPrefix(pkg, module); dir != "."; dir = path.Dir(dir) {
			if row, ok := rows[dir]; ok {
				used[dir] = true
				return row, true
			}
		}
		return 0, false
	}
	for line := range strings.Lines(string(output)) {
		pkgs := strings.Fields(line)
		row, ok := rowOf(pkgs[0])
		if !ok {
			t.Errorf("%s is not in the table", pkgs[0])
			continue
		}
		for _, imported := range pkgs[1:] {
			if !strings.HasPrefix(imported, module) {
				continue
			}
			if above, ok := rowOf(imported); ok && above < row {
				t.Errorf("%s imports %s, which the table lists above it", pkgs[0], imported)
			}
		}
	}
	for dir := range rows {
		if !used[dir] {
			t.Errorf("the table lists %s, in which there is no package", dir)
		}
	}
}

// TestExampleIsInReadme keeps the code of README.md in step with Example, which compiles and runs.
func TestExampleIsInReadme(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	if blocks == nil {
		t.Fatal("README.md has no Go code")
	}
	for _, code := range blocks {
		body := regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(code[1], "\t$1")
		if !strings.Contains(read(t, "example_test.go"), body) {
			t.Errorf("example_test.go does not have the code of README.md:\n%s", body)
		}
	}
}

// TestLinks looks for the files and the headings that the documents link to.
func TestLinks(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)]+)\)`)
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range slices.Concat(documents, []string{"README.md", "CONTRIBUTING.md"}) {
		for _, link := range links.FindAllStringSubmatch(read(t, document), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(link[1], "#")
			target := document
			if file != "" {
				target = filepath.Join(filepath.Dir(document), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", document, link[1], err)
			} else if heading != "" && !slices.Contains(headings(read(t, target)), heading) {
				t.Errorf("%s links to %s, which has no such heading", document, link[1])
			}
		}
	}
}

// headings returns the anchors that GitHub gives to the headings of a document.
func headings(text string) (anchors []string) {
	for _, line := range regexp.MustCompile(`(?m)^#+ (.*)`).FindAllStringSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(line[1]), "")
		anchors = append(anchors, strings.ReplaceAll(anchor, " ", "-"))
	}
	return anchors
}
