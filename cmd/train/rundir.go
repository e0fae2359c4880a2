package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/nn"
)

// The files of a run.
const (
	configName     = "config.json"
	historyName    = "history.csv"
	checkpointName = "checkpoint.lamina"
	lockName       = ".lock"
)

// config is what config.json says: the settings of the run, and what it began on.
type config struct {
	Settings settings  `json:"settings"`
	Version  string    `json:"version"` // of this program
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	CPU      string    `json:"cpu"`
	Backend  string    `json:"backend"`
	Started  time.Time `json:"started"`
}

func newConfig(s settings, backend string) config {
	c := config{Settings: s, Version: "unknown", Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuid.CPU.BrandName,
		Backend: backend, Started: time.Now().Round(time.Second)}
	if info, ok := debug.ReadBuildInfo(); ok {
		c.Version = info.Main.Version
	}
	return c
}

// runDir is the folder of a run. No other process has it open.
type runDir struct {
	path   string
	config config
	lock   *os.File
	begun  bool // by this process
	made   bool // the folder too
}

// newRunDir makes the folder of a new run. Without a path it gets one that tells model and time.
func newRunDir(path string, c config) (*runDir, error) {
	d := &runDir{path: path, config: c, begun: true}
	if path == "" {
		if err := d.makeDefault(); err != nil {
			return nil, fmt.Errorf("%w: name a folder that can be written to by --out", err)
		}
	} else {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return nil, fmt.Errorf("--out %s is a file: name a folder, or one that is not there yet", path)
		}
		d.made = errors.Is(err, fs.ErrNotExist)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("--out %s: %w: name a folder that can be written to", path, cause(err))
		}
	}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	for _, name := range []string{configName, historyName, checkpointName} {
		if _, err := os.Lstat(d.file(name)); err == nil {
			d.Close()
			return nil, fmt.Errorf("--out %s holds a run already: go on with it by --resume %s, or name another folder", path, path)
		}
	}
	if err := d.writeConfig(); err != nil {
		d.discard()
		return nil, err
	}
	return d, nil
}

// makeDefault makes a folder that nobody has.
func (d *runDir) makeDefault() error {
	const parent = "runs"
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	stem := filepath.Join(parent, d.config.Settings.Model+d.config.Started.Format("-20060102-150405"))
	d.path, d.made = stem, true
	for n := 2; ; n++ {
		err := os.Mkdir(d.path, 0o755)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		d.path = fmt.Sprintf("%s-%d", stem, n)
	}
}

// openRunDir opens the folder of a run that was stopped.
func openRunDir(path string) (*runDir, error) {
	d := &runDir{path: path}
	text, err := os.ReadFile(d.file(configName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--resume %s: there is no run (no %s): begin one with --out %s", path, configName, path)
	}
	if err == nil {
		err = json.Unmarshal(text, &d.config)
	}
	if err != nil {
		return nil, fmt.Errorf("--resume %s: %s: %w", path, configName, cause(err))
	}
	return d, d.acquire()
}

// acquire locks the folder until the process ends.
func (d *runDir) acquire() error {
	f, err := os.OpenFile(d.file(lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w: name a folder that can be written to", d.path, cause(err))
	}
	if err := lock(f); err != nil {
		f.Close()
		if errors.Is(err, errLocked) {
			return fmt.Errorf("%s: another process is training in this folder: wait for its end, or name another", d.path)
		}
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	d.lock = f
	return nil
}

// errLocked says that another process has the lock.
var errLocked = errors.New("locked")

func (d *runDir) file(name string) string { return filepath.Join(d.path, name) }

// hasCheckpoint reports whether anything was saved yet.
func (d *runDir) hasCheckpoint() bool {
	_, err := os.Lstat(d.file(checkpointName))
	return !errors.Is(err, fs.ErrNotExist)
}

// update stores what a resumed run has changed.
func (d *runDir) update(s settings) error {
	if d.config.Settings == s {
		return nil
	}
	d.config.Settings = s
	return d.writeConfig()
}

func (d *runDir) writeConfig() error {
	return atomicfile.Write(d.file(configName), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(d.config)
	})
}

func (d *runDir) writeHistory(rows []nn.Row) error {
	return atomicfile.Write(d.file(historyName), func(w io.Writer) error { return nn.WriteHistory(w, rows) })
}

// Close gives the folder free.
func (d *runDir) Close() error { return d.lock.Close() }

// advise adds to the error that ended a run how to go on.
func (d *runDir) advise(err error) error {
	if !d.hasCheckpoint() {
		return fmt.Errorf("%w; nothing was saved before", err)
	}
	return fmt.Errorf("%w; to go on from what is saved: %s", err, d.resumeCommand())
}

// resumeCommand is what the user types to go on.
func (d *runDir) resumeCommand() string {
	program := os.Args[0]
	if strings.Contains(filepath.ToSlash(program), "/go-build") {
		program = "go run ./cmd/train" // which made the program in a folder that is gone afterwards
	}
	return program + " --resume " + quote(d.path)
}

// quote makes a path one word of a shell.
func quote(path string) string {
	if !strings.ContainsAny(path, " \t\n'\"$&|;<>()*?[]#~`!{}") {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// discard takes away what this process made, of a run that left nothing.
func (d *runDir) discard() {
	os.Remove(d.file(configName))
	os.Remove(d.file(historyName))
	os.Remove(d.file(lockName))
	if d.made {
		os.Remove(d.path)
	}
}

// cause returns what the system said, without the path that the message has already.
func cause(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
