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
	"time"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/internal/filelock"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/processor"
	"github.com/lamina-go/lamina/internal/sample"
	"github.com/lamina-go/lamina/nn"
)

// The files of a run.
const (
	ConfigName     = "config.json"
	HistoryName    = "history.csv"
	CheckpointName = classify.CheckpointName
	lockName       = ".lock"
)

// Config is the contents of config.json: the settings of the run, and where it began.
type Config struct {
	Settings Settings  `json:"settings"`
	Version  string    `json:"version"` // of the program
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
	CPU      string    `json:"cpu"`
	Backend  string    `json:"backend"`
	Started  time.Time `json:"started"`
	Facts    Facts     `json:"facts"`
	Saved    Saved     `json:"saved"`
	// Convolutions are the algorithms that the run began with, on each of its backends. With others
	// the last digits would differ.
	Convolutions map[string]string `json:"convolutions,omitempty"`
}

// Saved is the model that a run last exported: Settings.Save as it was then, and the model's epoch.
type Saved struct {
	Path  string `json:"path"` // "" if there is none
	Epoch int    `json:"epoch"`
}

// Facts are known once the data are open and the network is built.
type Facts struct {
	Data         string `json:"data"`
	Images       int    `json:"images"` // for training
	Validation   int    `json:"validation"`
	Classes      int    `json:"classes"`
	Trainable    int    `json:"trainable"` // parameters
	NonTrainable int    `json:"non_trainable"`
}

// newConfig describes a run that begins now.
func newConfig(s Settings, backend string) Config {
	return Config{Settings: s, Version: cli.Version(), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, CPU: processor.Name(),
		Backend: backend, Started: time.Now().Round(time.Second)}
}

// Folder is the folder of a run, locked against other processes.
type Folder struct {
	Path   string
	Config Config
	lock   *os.File
	begun  bool     // the run, by this process
	made   []string // folders that this process created for it, the innermost first
}

// create makes and locks the folder of a new run. Without a path it chooses one below runs, with
// the model and the time in its name.
func create(path string, c Config) (*Folder, error) {
	d := &Folder{Path: path, Config: c, begun: true}
	if path == "" {
		if err := d.makeDefault(); err != nil {
			return nil, fmt.Errorf("%s: %w: name a writable folder", defaultParent, infile.Cause(err))
		}
	} else {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return nil, fmt.Errorf("%s is a file: name a folder", path)
		}
		d.made = missing(path)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("%s: %w: name a writable folder", path, infile.Cause(err))
		}
	}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	for _, name := range []string{ConfigName, HistoryName, CheckpointName, PreviousName, ReportName,
		validationName, sample.Folder} {
		if _, err := os.Lstat(d.File(name)); err == nil {
			d.Close()
			if name != ConfigName {
				return nil, fmt.Errorf("%s has a %s, but no %s to resume from: name another folder", path, name,
					ConfigName)
			}
			return nil, fmt.Errorf("%s already has a run: resume it with --resume %s, or name another folder",
				path, path)
		}
	}
	if err := d.writeConfig(); err != nil {
		d.discard()
		d.Close()
		return nil, err
	}
	return d, nil
}

// missing returns the folders of a path that do not exist, the innermost first.
func missing(path string) (folders []string) {
	for ; ; path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return folders
		}
		folders = append(folders, path)
	}
}

// defaultParent is the folder for runs without --out.
const defaultParent = "runs"

// makeDefault makes a folder of a new name.
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

// Open opens and locks the folder of a run, to resume it.
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
		return nil, fmt.Errorf("%w: make the folder writable, or resume a copy of it", err)
	}
	return d, nil
}

// ReadConfig reads the config.json in the folder of a run, which may be training.
func ReadConfig(path string) (c Config, err error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return c, fmt.Errorf("%s is a file: name the folder of a run", path)
	}
	text, err := infile.ReadFile(filepath.Join(path, ConfigName))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("%s is not the folder of a run (no %s): name one in runs, or where --out put it", path,
			ConfigName)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %s: %w: name a run whose files are readable", path, ConfigName, infile.Cause(err))
	}
	// What runs had whose versions did not know these settings.
	c.Settings.Mean, c.Settings.Optimizer = Defaults().Mean, sgd
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
		return c, fmt.Errorf("%s: %s: %w: repair it, or use a copy", path, ConfigName, infile.Cause(err))
	}
	return c, nil
}

// Read reads the config.json and the epochs so far of a run, which may be training.
func Read(path string) (Config, []nn.Row, error) {
	c, err := ReadConfig(path)
	if err != nil {
		return c, nil, err
	}
	f, err := os.Open(filepath.Join(path, HistoryName))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil, nil // the run is about to write it
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

// acquire locks the folder.
func (d *Folder) acquire() (err error) {
	d.lock, err = filelock.Acquire(d.File(lockName))
	if errors.Is(err, filelock.ErrLocked) {
		return fmt.Errorf("%s: another process is training in this folder: wait for it to end, or name another folder",
			d.Path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: name a writable folder", d.Path, infile.Cause(err))
	}
	return nil
}

// absolute returns the path of the folder from the root, if that can be found.
func (d *Folder) absolute() string {
	if path, err := filepath.Abs(d.Path); err == nil {
		return path
	}
	return d.Path
}

// File returns the path of a file in the folder.
func (d *Folder) File(name string) string { return filepath.Join(d.Path, name) }

// update stores changed settings, and what is known since.
func (d *Folder) update(s Settings, f Facts, convolutions map[string]string) error {
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

// results returns the paths that the run writes to. In config.json those in its folder are
// relative: a run in a copy of the folder must not write to the original.
func (c *Config) results() []*string {
	return []*string{&c.Settings.TensorBoard, &c.Settings.Save, &c.Saved.Path}
}

// resultsBelow makes the results that are in a folder relative to it.
func (c *Config) resultsBelow(folder string) error {
	for _, path := range c.results() {
		below, ok, err := within(folder, *path)
		if err != nil {
			return err
		}
		if ok {
			*path = below
		}
	}
	return nil
}

// within returns an absolute path relative to a folder, if it is in it.
func within(folder, path string) (below string, ok bool, err error) {
	whole, err := filepath.Abs(folder)
	if err != nil {
		return "", false, err
	}
	below, err = filepath.Rel(whole, path)
	return below, err == nil && filepath.IsLocal(below), nil
}

// resultsFrom makes the results that are relative to a folder absolute. Those that leave it are an
// error, as writeConfig never stores them so.
func (c *Config) resultsFrom(folder string) (err error) {
	for _, path := range c.results() {
		if *path == "" || filepath.IsAbs(*path) {
			continue
		}
		if !filepath.IsLocal(*path) {
			return fmt.Errorf("%q lies outside the folder of the run", *path)
		}
		if *path, err = filepath.Abs(filepath.Join(folder, *path)); err != nil {
			return err
		}
	}
	return nil
}

// contains reports whether an absolute path is in the folder.
func (d *Folder) contains(path string) bool {
	_, ok, _ := within(d.Path, path)
	return ok
}

// save stores what was exported.
func (d *Folder) save(s Saved) error {
	if d.Config.Saved == s {
		return nil
	}
	d.Config.Saved = s
	return d.writeConfig()
}

// writeHistory replaces the file of the curves.
func (d *Folder) writeHistory(rows []nn.Row) error {
	return atomicfile.Write(d.File(HistoryName), func(w io.Writer) error { return nn.WriteHistory(w, rows) })
}

// Close unlocks the folder.
func (d *Folder) Close() error { return d.lock.Close() }

// discard removes what this process created, for a run that has saved nothing.
func (d *Folder) discard() {
	for _, name := range []string{ConfigName, HistoryName, ReportName, validationName, lockName} {
		os.Remove(d.File(name))
	}
	os.RemoveAll(d.File(sample.Folder))
	for _, folder := range d.made {
		os.Remove(folder)
	}
}
