package run

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/klauspost/cpuid/v2"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/internal/filelock"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
)

// The files of a run.
const (
	ConfigName     = "config.json"
	HistoryName    = "history.csv"
	CheckpointName = "checkpoint.lamina"
	lockName       = ".lock"
)

// Config is what config.json says: the settings of the run, and what it began on.
type Config struct {
	Settings Settings  `json:"settings"`
	Version  string    `json:"version"` // of this program
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	CPU      string    `json:"cpu"`
	Backend  string    `json:"backend"`
	Started  time.Time `json:"started"`
	Facts    Facts     `json:"facts"`
	Saved    Saved     `json:"saved"`
	// Convolutions are the algorithms that the run has begun with, on each backend that it was on: with others the last
	// digits differ.
	Convolutions map[string]string `json:"convolutions,omitempty"`
}

// Saved is the model that a run last wrote for others: Settings.Save as it was then, and the epoch that the model is of.
type Saved struct {
	Path  string `json:"path"` // "" if there is none
	Epoch int    `json:"epoch"`
}

// Facts are what is known of a run when its data are open and its network is built.
type Facts struct {
	Data         string `json:"data"`
	Images       int    `json:"images"` // to train on
	Validation   int    `json:"validation"`
	Classes      int    `json:"classes"`
	Trainable    int    `json:"trainable"` // parameters
	NonTrainable int    `json:"non_trainable"`
}

// NewConfig describes a run with these settings, on a backend, that begins now.
func NewConfig(s Settings, backend string) Config {
	c := Config{Settings: s, Version: "unknown", Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuid.CPU.BrandName,
		Backend: backend, Started: time.Now().Round(time.Second)}
	if info, ok := debug.ReadBuildInfo(); ok {
		c.Version = info.Main.Version
	}
	return c
}

// Folder is the folder of a run. No other process has it open.
type Folder struct {
	Path   string
	Config Config
	lock   *os.File
	begun  bool     // by this process
	made   []string // folders for it, the innermost first
}

// Create makes the folder of a new run and locks it. Without a path it gets one under runs that
// tells model and time.
func Create(path string, c Config) (*Folder, error) {
	d := &Folder{Path: path, Config: c, begun: true}
	if path == "" {
		if err := d.makeDefault(); err != nil {
			return nil, fmt.Errorf("%s: %w: name a folder that can be written to", defaultParent, cause(err))
		}
	} else {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is a file: name a folder, or one that is not there yet", path)
		}
		d.made = missing(path)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("%s: %w: name a folder that can be written to", path, cause(err))
		}
	}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	for _, name := range []string{ConfigName, HistoryName, CheckpointName} {
		if _, err := os.Lstat(d.File(name)); err == nil {
			d.Close()
			if name != ConfigName {
				return nil, fmt.Errorf("%s has a %s, but no %s to go on with: name another folder", path, name, ConfigName)
			}
			return nil, fmt.Errorf("%s holds a run already: go on with it by --resume %s, or name another folder", path, path)
		}
	}
	if err := d.writeConfig(); err != nil {
		d.Discard()
		d.Close()
		return nil, err
	}
	return d, nil
}

// missing returns the folders of a path that are not there, the innermost first.
func missing(path string) (folders []string) {
	for ; ; path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return folders
		}
		folders = append(folders, path)
	}
}

// defaultParent is the folder in which the folders of runs are made that have no name.
const defaultParent = "runs"

// makeDefault makes a folder that nobody has.
func (d *Folder) makeDefault() error {
	d.made = missing(defaultParent)
	if err := os.MkdirAll(defaultParent, 0o755); err != nil {
		return err
	}
	stem := filepath.Join(defaultParent, d.Config.Settings.Model+d.Config.Started.Format("-20060102-150405"))
	d.Path = stem
	for n := 2; ; n++ {
		err := os.Mkdir(d.Path, 0o755)
		if !errors.Is(err, fs.ErrExist) {
			d.made = append([]string{d.Path}, d.made...)
			return err
		}
		d.Path = fmt.Sprintf("%s-%d", stem, n)
	}
}

// Open opens and locks the folder of a run that was stopped.
func Open(path string) (*Folder, error) {
	config, err := ReadConfig(path)
	if err != nil {
		return nil, err
	}
	d := &Folder{Path: path, Config: config}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	if err := atomicfile.Check(d.File(ConfigName)); err != nil {
		d.Close()
		return nil, fmt.Errorf("%w: make the folder one that can be written to, or go on with a copy of it", err)
	}
	return d, nil
}

// ReadConfig returns what the folder of a run tells of its settings, while it is trained too.
func ReadConfig(path string) (c Config, err error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return c, fmt.Errorf("%s is a file: name the folder of a run", path)
	}
	text, err := infile.ReadFile(filepath.Join(path, ConfigName))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("%s: there is no run (no %s): name the folder of one, as train --out makes it", path, ConfigName)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %s: %w: name a run whose files can be read", path, ConfigName, cause(err))
	}
	err = json.Unmarshal(text, &c)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		err = fmt.Errorf("%s has a value of the wrong type, %s", cmp.Or(wrong.Field, "the file"), wrong.Value)
	}
	if err == nil {
		err = device.CheckConvolutions(c.Convolutions)
	}
	if err == nil {
		err = c.resultsFrom(path)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %s: %w: mend it, or take a copy of it", path, ConfigName, cause(err))
	}
	return c, nil
}

// Read returns what the folder of a run tells, while it is trained too: its settings, and its
// epochs so far.
func Read(path string) (Config, []nn.Row, error) {
	c, err := ReadConfig(path)
	if err != nil {
		return c, nil, err
	}
	f, err := os.Open(filepath.Join(path, HistoryName))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil, nil // between the first moments of the run
	}
	if err != nil {
		return c, nil, err
	}
	defer f.Close()
	rows, err := nn.ReadHistory(f)
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return c, rows, nil
}

// acquire locks the folder until the process ends.
func (d *Folder) acquire() (err error) {
	d.lock, err = filelock.Acquire(d.File(lockName))
	if errors.Is(err, filelock.ErrLocked) {
		return fmt.Errorf("%s: another process is training in this folder: wait for its end, or name another", d.Path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: name a folder that can be written to", d.Path, cause(err))
	}
	return nil
}

// File returns the path of a file in the folder.
func (d *Folder) File(name string) string { return filepath.Join(d.Path, name) }

// HasCheckpoint reports whether anything was saved yet.
func (d *Folder) HasCheckpoint() bool {
	_, err := os.Lstat(d.File(CheckpointName))
	return !errors.Is(err, fs.ErrNotExist)
}

// checkSpace reports an error unless the disk has space for checkpoints of so many bytes, where it can be told. Beside the
// one that is there another is written, which takes its place.
func (d *Folder) checkSpace(checkpoint int64) error {
	need := checkpoint
	if !d.HasCheckpoint() {
		need *= 2
	}
	if left, known := space(d.Path); known && left < need {
		return fmt.Errorf("%s: its disk has %.0f MB left, and saving takes %.0f: make room, or name a folder elsewhere", d.Path, float64(left)/1e6, float64(need)/1e6)
	}
	return nil
}

// Update stores what a resumed run has changed, and what is known since.
func (d *Folder) Update(s Settings, f Facts, convolutions map[string]string) error {
	c := &d.Config
	all := map[string]string{}
	maps.Copy(all, c.Convolutions)
	maps.Copy(all, convolutions)
	if c.Settings == s && c.Facts == f && maps.Equal(c.Convolutions, all) {
		return nil
	}
	c.Settings, c.Facts, c.Convolutions = s, f, all
	return d.writeConfig()
}

func (d *Folder) writeConfig() error {
	c := d.Config
	if err := c.resultsBelow(d.Path); err != nil {
		return err
	}
	return atomicfile.Write(d.File(ConfigName), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(c)
	})
}

// results are the paths of what the run makes. In config.json those in its folder are relative to it: a copy of the
// folder must not write to the original.
func (c *Config) results() []*string {
	return []*string{&c.Settings.TensorBoard, &c.Settings.Save, &c.Saved.Path}
}

// resultsBelow makes results in a folder relative to it.
func (c *Config) resultsBelow(folder string) error {
	whole, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	for _, path := range c.results() {
		if below, err := filepath.Rel(whole, *path); err == nil && filepath.IsLocal(below) { // else they are elsewhere
			*path = below
		}
	}
	return nil
}

// resultsFrom makes results that are relative to a folder absolute.
func (c *Config) resultsFrom(folder string) (err error) {
	for _, path := range c.results() {
		if *path != "" && !filepath.IsAbs(*path) && err == nil {
			*path, err = filepath.Abs(filepath.Join(folder, *path))
		}
	}
	return err
}

// save stores what was saved.
func (d *Folder) save(s Saved) error {
	if d.Config.Saved == s {
		return nil
	}
	d.Config.Saved = s
	return d.writeConfig()
}

// WriteHistory replaces the file of the curves.
func (d *Folder) WriteHistory(rows []nn.Row) error {
	return atomicfile.Write(d.File(HistoryName), func(w io.Writer) error { return nn.WriteHistory(w, rows) })
}

// Close gives the folder free.
func (d *Folder) Close() error { return d.lock.Close() }

// Discard takes away what this process made, of a run that left nothing.
func (d *Folder) Discard() {
	os.Remove(d.File(ConfigName))
	os.Remove(d.File(HistoryName))
	os.Remove(d.File(lockName))
	for _, folder := range d.made {
		os.Remove(folder)
	}
}

// cause returns what the system said, without the path that the message has already.
func cause(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
