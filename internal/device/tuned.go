package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/processor"
	"github.com/lamina-go/lamina/ops"
)

// tuned is the contents of the cache file of an ISA level.
type tuned struct {
	CPU          string        `json:"cpu"`
	Convolutions cpu.ConvTable `json:"convolutions"`
}

// Convolutions returns the algorithms that a backend has chosen for its convolutions, nil if none.
func Convolutions(b backend.Backend) map[string]string {
	switch b := b.(type) {
	case *cpu.Backend:
		return b.ConvTable()
	case interface{ ConvTable() map[string]string }: // package cudnn's, which may not be built
		return b.ConvTable()
	}
	return nil
}

// CheckConvolutions reports an algorithm that no backend has.
func CheckConvolutions(convolutions map[string]string) error { return ofCPU(convolutions).Check() }

// ofCPU returns the choices of the CPU, nil if there are only those of cards, whose names begin
// with that of their backend.
func ofCPU(convolutions map[string]string) cpu.ConvTable {
	table := maps.Clone(convolutions)
	maps.DeleteFunc(table, func(name, _ string) bool { return strings.HasPrefix(name, "cudnn/") })
	if len(table) == 0 && len(convolutions) > 0 {
		return nil
	}
	return table
}

// ReadTuned returns what [WriteTuned] stored for an ISA level on this processor, nil if nothing.
func ReadTuned(l ops.Level) (cpu.ConvTable, error) {
	path, err := tunedPath(l)
	if err != nil {
		return nil, nil // no cache folder
	}
	text, err := infile.ReadFile(path)
	if opening := (*fs.PathError)(nil); errors.As(err, &opening) {
		return nil, nil // nothing was stored, or the folder is not readable
	}
	var t tuned
	if err == nil {
		err = infile.JSON(text, &t)
	}
	if err == nil {
		err = t.Convolutions.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: delete it, or replace it with lamina tune", path, err)
	}
	if t.CPU != processor.Name() {
		return nil, nil
	}
	return t.Convolutions, nil
}

// WriteTuned stores the fastest algorithms at an ISA level of this machine in the user's cache
// folder, beside those of other shapes, and returns the file.
func WriteTuned(l ops.Level, t cpu.ConvTable) (path string, err error) {
	if path, err = makeTunedPath(l); err != nil {
		return "", err
	}
	all := cpu.ConvTable{}
	if before, err := ReadTuned(l); err == nil { // else the file is damaged and is replaced
		maps.Copy(all, before)
	}
	maps.Copy(all, t)
	return path, atomicfile.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(tuned{processor.Name(), all})
	})
}

// CheckTuned reports why [WriteTuned] would fail for an ISA level.
func CheckTuned(l ops.Level) error {
	path, err := makeTunedPath(l)
	if err == nil {
		err = atomicfile.Check(path)
	}
	if err != nil {
		return fmt.Errorf("%w: the user's cache folder must be writable", err)
	}
	return nil
}

func tunedPath(l ops.Level) (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "lamina", "convolutions-"+l.String()+".json"), err
}

// makeTunedPath also makes the folder of the file.
func makeTunedPath(l ops.Level) (string, error) {
	path, err := tunedPath(l)
	if err != nil {
		return "", err
	}
	return path, os.MkdirAll(filepath.Dir(path), 0o755)
}
