package cli

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// output returns an output, and a function that closes it and returns what it printed.
func output(t *testing.T) (*Output, func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return &Output{file: w}, func() string {
		w.Close()
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestOutput(t *testing.T) {
	for text, want := range map[string]string{
		"plain\ttext, größer, 猫\n":             "plain\ttext, größer, 猫\n",
		"\x1b]0;title\a\x1b[2J":                `\u001b]0;title\u0007\u001b[2J`,
		"over\rwritten\b\v\f\x00":              `over\u000dwritten\u0008\u000b\u000c\u0000`,
		"\u009b2J \x7f":                        `\u009b2J \u007f`, // a one-character CSI, and DEL
		"\x9b2J \xff \xe7\x8c.":                `\x9b2J \xff \xe7\x8c.`,
		"a\u202etxt.exe\u2066":                 `a\u202etxt.exe\u2066`,
		"a replaced character is kept: \ufffd": "a replaced character is kept: \ufffd",
	} {
		for _, step := range []int{1, 2, 3, len(text)} { // bytes of each Write
			o, end := output(t)
			for at := 0; at < len(text); at += step {
				if n, err := o.Write([]byte(text[at:min(at+step, len(text))])); err != nil || n != min(step, len(text)-at) {
					t.Fatal(n, err)
				}
			}
			if got := end(); got != want {
				t.Errorf("%q in writes of %d bytes: %q, want %q", text, step, got, want)
			}
		}
	}
	if got, want := OneLine("a\nb\tc\x1b"), `a\u000ab\u0009c\u001b`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// JSON keeps its meaning.
func TestOutputOfJSON(t *testing.T) {
	const text = "\x1b[2J \u009b \x7f \u202e \n é"
	o, end := output(t)
	if err := json.NewEncoder(o).Encode(text); err != nil {
		t.Fatal(err)
	}
	printed, got := end(), ""
	if err := json.Unmarshal([]byte(printed), &got); err != nil || got != text || strings.ContainsAny(printed, "\x1b\u009b\x7f\u202e") {
		t.Errorf("%q, read as %q, %v", printed, got, err)
	}
}

// TestOnlyOutput finds code of the program that prints past [Output].
func TestOnlyOutput(t *testing.T) {
	var found []string
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || path == filepath.Join(root, "internal", "cli", "output.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil || isIgnored(file) {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call := ""
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok {
					call = x.Name + "." + n.Sel.Name
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok {
					call = f.Name
				}
			}
			switch call {
			case "fmt.Print", "fmt.Printf", "fmt.Println", "os.Stdout", "os.Stderr", "syscall.Stdout", "syscall.Stderr",
				"print", "println":
				found = append(found, files.Position(n.Pos()).String()+": "+call)
			}
			return true
		})
		return nil
	})
	if err != nil || len(found) > 0 {
		t.Errorf("%v; print with cli.Stdout or cli.Stderr:\n%s", err, strings.Join(found, "\n"))
	}
}

// isIgnored says whether a file is no part of the program: a generator with the tag ignore.
func isIgnored(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if comment.Pos() < file.Package && comment.Text == "//go:build ignore" {
				return true
			}
		}
	}
	return false
}
