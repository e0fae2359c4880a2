package notices

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the notices")

// head begins the notices, with the credits that the FreeType License and CC BY 4.0 ask for.
const head = `Lamina contains software of others, under the licenses below. Each license follows the modules to
which it applies.

Portions of this software are copyright (C) 2010 The FreeType Project (www.freetype.org). All rights
reserved. Of the licenses of Freetype-Go, Lamina uses the FreeType License.

SVGo is by Anthony Starks (https://github.com/ajstarks/svgo), used unchanged under the Creative
Commons Attribution 4.0 International Public License.

The Liberation fonts are copyright (C) Google Corporation and Red Hat, Inc., used unchanged under the
SIL Open Font License.
`

// module is what "go list" says of a module.
type module struct{ Path, Version, Dir string }

// modules lists the modules that are linked in on some system.
func modules(t *testing.T) []module {
	t.Helper()
	found := map[string]module{}
	for _, args := range [][]string{{"linux"}, {"linux", "-tags", "cudnn"}, {"darwin"}, {"windows"}} {
		c := exec.Command("go", append(append([]string{"list"}, args[1:]...), "-deps", "-json=Module", "./cmd/lamina")...)
		c.Dir = filepath.Join("..", "..")
		c.Env = append(os.Environ(), "GOOS="+args[0])
		c.Stderr = os.Stderr
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
			var p struct{ Module *module }
			if err := d.Decode(&p); err != nil {
				t.Fatal(err)
			}
			if p.Module != nil {
				found[p.Module.Path] = *p.Module
			}
		}
	}
	var all []module
	for _, m := range found {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// legal matches the paths of licenses and notices within a module. Of Freetype-Go's licenses,
// gpl.txt is not the one that is chosen.
var legal = regexp.MustCompile(`(?i)^((licen[cs]e|copying|notice|patents)[^/]*|licenses/ftl\.txt|third_party_licenses/.*)$`)

// texts returns the licenses and notices of a module by their names.
func texts(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if name = filepath.ToSlash(name); err != nil || entry.IsDir() || !legal.MatchString(name) {
			if err == nil && entry.IsDir() && strings.Count(name, "/") > 0 {
				return fs.SkipDir
			}
			return err
		}
		data, err := os.ReadFile(path)
		var lines []string
		for line := range strings.Lines(strings.ReplaceAll(string(data), "\f", "")) {
			lines = append(lines, strings.TrimRight(line, " \t\r\n"))
		}
		found[name] = strings.Trim(strings.Join(lines, "\n"), "\n")
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: no license, %v", dir, err)
	}
	return found
}

// collect returns the notices.
func collect(t *testing.T) string {
	t.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := modules(t)
	i := slices.IndexFunc(all, func(m module) bool { return m.Version == "" }) // Lamina itself
	all = slices.Concat(all[i:i+1], []module{{Path: "The Go standard library", Dir: strings.TrimSpace(string(goroot))}},
		all[:i], all[i+1:])
	var order []string             // of licenses
	users := map[string][]string{} // of each
	for _, m := range all {
		found := texts(t, m.Dir)
		var names []string
		for name := range found {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			text := found[name]
			if users[text] == nil {
				order = append(order, text)
			}
			users[text] = append(users[text], fmt.Sprintf("%s (%s)", strings.TrimSpace(m.Path+" "+m.Version), name))
		}
	}
	var b strings.Builder
	b.WriteString(head)
	for _, text := range order {
		rule := strings.Repeat("-", 80)
		fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n%s\n", rule, strings.Join(users[text], "\n"), rule, text)
	}
	return b.String()
}

// TestNotices compares the notices with the licenses of the modules that are linked in.
func TestNotices(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it does not depend on the kernels")
	}
	want := collect(t)
	if *update {
		if err := os.WriteFile("THIRD-PARTY-NOTICES", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if strings.ReplaceAll(Text, "\r\n", "\n") != want {
		t.Error("the modules or their licenses have changed: run go generate ./internal/notices")
	}
	const most = 100 << 10
	if len(want) > most {
		t.Errorf("%d bytes of notices, want at most %d", len(want), most)
	}
}
