// Package report shows the curves of runs: as event files for TensorBoard, as pictures, as CSV and
// as a page.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lamina-go/lamina/internal/filelock"
	"github.com/lamina-go/lamina/nn"
)

// TensorBoard writes the curves of a run for TensorBoard, as the callback of Keras 2.15 does: in the
// folder "train" the scalars epoch_loss, epoch_accuracy and epoch_lr, in "validation" the first
// two. Their step is the epoch, from 0.
type TensorBoard struct {
	lock  *os.File
	files []*eventFile
}

// OpenTensorBoard opens the event files below dir, which it makes if need be, of a run that has the
// epochs of history behind it. Files of this run, whole or cut off by a crash, are gone on
// with; epochs that they lack are added. Events of another run are an error.
func OpenTensorBoard(dir string, history []nn.Row) (*TensorBoard, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, unwritable(dir, err)
	}
	// Not .lock, which the folder of the run may have, for that is a place for events too.
	lock, err := filelock.Acquire(filepath.Join(dir, ".tensorboard.lock"))
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("%s: another process writes its events there: name another folder", dir)
	}
	if err != nil {
		return nil, unwritable(dir, err)
	}
	t := &TensorBoard{lock: lock}
	for _, set := range []struct {
		name    string
		records func(nn.Row) []record
	}{{"train", training}, {"validation", validation}} {
		f, err := openEvents(filepath.Join(dir, set.name), set.records, history)
		if err != nil {
			t.Close()
			return nil, err
		}
		t.files = append(t.files, f)
	}
	return t, nil
}

// unwritable says that a folder is not one to write to, and what the system said, without what was tried.
func unwritable(dir string, err error) error {
	if failed := (*os.PathError)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("%s: %w: name a folder that can be written to", dir, err)
}

func training(r nn.Row) []record {
	return append(results(r.Epoch, r.Result), scalar("epoch_lr", r.Epoch-1, r.LearningRate))
}

func validation(r nn.Row) []record { return results(r.Epoch, r.Validation) }

func results(epoch int, r nn.Result) []record {
	return []record{scalar("epoch_loss", epoch-1, r.Loss), scalar("epoch_accuracy", epoch-1, r.Accuracy)}
}

// Epoch adds an epoch, which a reader sees at once.
func (t *TensorBoard) Epoch(row nn.Row) error {
	for _, f := range t.files {
		if err := f.write(f.records(row)); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the files.
func (t *TensorBoard) Close() error {
	var all []error
	for _, f := range t.files {
		all = append(all, f.Close())
	}
	return errors.Join(append(all, t.lock.Close())...)
}

// eventFile is an event file, open at its end.
type eventFile struct {
	*os.File
	records func(nn.Row) []record // of an epoch
}

// openEvents opens the one event file in dir, and adds what it lacks.
func openEvents(dir string, records func(nn.Row) []record, history []nn.Row) (*eventFile, error) {
	path, err := eventPath(dir)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	f := &eventFile{file, records}
	all := []record{header}
	for _, row := range history {
		all = append(all, records(row)...)
	}
	if err := f.goOn(all); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// eventPath returns the path of the one event file in dir, which it makes, or of a new one.
func eventPath(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	found := ""
	for _, e := range entries {
		if !strings.Contains(e.Name(), "tfevents") {
			continue
		}
		if found != "" {
			return "", anotherRun(dir)
		}
		found = e.Name()
	}
	if found == "" {
		host, _ := os.Hostname()
		found = fmt.Sprintf("events.out.tfevents.%010d.%s.%d.0.v2", time.Now().Unix(), host, os.Getpid())
	}
	return filepath.Join(dir, found), nil
}

func anotherRun(path string) error {
	return fmt.Errorf("%s: it holds events of another run, or damaged ones: name another folder", path)
}

// goOn makes the file hold all the records, of which the first may be there, and the last of those in
// part, with other times. Whole ones stay as they are, so a reader of the file loses no place.
func (f *eventFile) goOn(all []record) error {
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	end := 0
	for len(all) > 0 && len(data)-end >= len(all[0](0)) {
		rest := data[end:]
		if written := all[0](wallTime(rest)); !bytes.HasPrefix(rest, written) {
			return anotherRun(f.Name())
		}
		end += len(all[0](0))
		all = all[1:]
	}
	cut := data[end:min(len(data), end+recordHead)]
	if len(all) == 0 && len(cut) > 0 || len(all) > 0 && !bytes.HasPrefix(all[0](0), cut) {
		return anotherRun(f.Name())
	}
	if err := f.Truncate(int64(end)); err != nil {
		return err
	}
	if _, err := f.Seek(int64(end), 0); err != nil {
		return err
	}
	return f.write(all)
}

// write appends records.
func (f *eventFile) write(all []record) error {
	wall := float64(time.Now().UnixNano()) / 1e9
	var data []byte
	for _, r := range all {
		data = append(data, r(wall)...)
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}
