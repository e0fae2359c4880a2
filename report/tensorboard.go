// Package report shows the results of runs: curves as event files for TensorBoard, as charts, as
// CSV and as a page, and confusion matrices.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lamina-go/lamina/internal/filelock"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/nn"
)

// TensorBoard writes the curves of a run for TensorBoard, as the callback of Keras 2.15 does: in
// the folder "train" the scalars epoch_loss, epoch_accuracy and epoch_lr, in "validation" the first
// two. Their step is the epoch, from 0.
type TensorBoard struct {
	lock  *os.File
	files []*eventFile
}

// OpenTensorBoard opens the event files below dir, which it creates if needed, for a run with the
// epochs of history. It continues files of this run, whole or cut off by a crash, adds the epochs
// that they lack, and removes those that a crash has undone, which came after history. Events of
// another run are an error.
func OpenTensorBoard(dir string, history, undone []nn.Row) (*TensorBoard, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, unwritable(dir, err)
	}
	// The folder may be that of the run, which has a .lock of its own.
	lock, err := filelock.Acquire(filepath.Join(dir, ".tensorboard.lock"))
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("%s: another process writes events there: name another folder", dir)
	}
	if err != nil {
		return nil, unwritable(dir, err)
	}
	t := &TensorBoard{lock: lock}
	for _, set := range []struct {
		name    string
		records func(nn.Row) []record
	}{{"train", training}, {"validation", validation}} {
		f, err := openEvents(filepath.Join(dir, set.name), set.records, history, undone)
		if err != nil {
			t.Close()
			return nil, err
		}
		t.files = append(t.files, f)
	}
	return t, nil
}

// unwritable reports a folder that cannot be written to.
func unwritable(dir string, err error) error {
	return fmt.Errorf("%s: %w: name a writable folder", dir, infile.Cause(err))
}

func training(r nn.Row) []record {
	return append(results(r.Epoch, r.Result), scalar("epoch_lr", r.Epoch-1, r.LearningRate))
}

func validation(r nn.Row) []record { return results(r.Epoch, r.Validation) }

func results(epoch int, r nn.Result) []record {
	all := []record{scalar("epoch_loss", epoch-1, r.Loss), scalar("epoch_accuracy", epoch-1, r.Accuracy)}
	if r.CrossEntropy != 0 {
		all = append(all, scalar("epoch_cross_entropy", epoch-1, r.CrossEntropy))
	}
	return all
}

// Epoch adds an epoch. Readers see it at once.
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
	records func(nn.Row) []record // the records of an epoch
}

// openEvents opens the event file in dir, adds the epochs that it lacks, and removes those undone.
func openEvents(dir string, records func(nn.Row) []record, history, undone []nn.Row) (*eventFile, error) {
	path, err := eventPath(dir)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	f := &eventFile{file, records}
	kept, removed := []record{header}, []record(nil)
	for _, row := range history {
		kept = append(kept, records(row)...)
	}
	for _, row := range undone {
		removed = append(removed, records(row)...)
	}
	if err := f.complete(kept, removed); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// eventPath returns the path of the only event file in dir, or of a new one. It creates dir.
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
	return fmt.Errorf("%s has events of another run, or damaged ones: name another folder", path)
}

// complete appends the records to keep that the file lacks, and removes others. The file may have
// the first of both, with other times, the last of them cut off. Whole ones that are kept stay as
// they are, so that readers keep their offsets.
func (f *eventFile) complete(kept, removed []record) error {
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	all := slices.Concat(kept, removed)
	n, at, end := 0, 0, 0 // whole records in the file, their bytes, and the bytes of those kept
	for n < len(all) && len(data)-at >= len(all[n](0)) {
		written := all[n](wallTime(data[at:]))
		if !bytes.HasPrefix(data[at:], written) {
			return anotherRun(f.Name())
		}
		at += len(written)
		if n++; n <= len(kept) {
			end = at
		}
	}
	cut := data[at:min(len(data), at+recordHead)]
	if n == len(all) && len(cut) > 0 || n < len(all) && !bytes.HasPrefix(all[n](0), cut) {
		return anotherRun(f.Name())
	}
	if err := f.Truncate(int64(end)); err != nil {
		return err
	}
	if _, err := f.Seek(int64(end), 0); err != nil {
		return err
	}
	return f.write(kept[min(n, len(kept)):])
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
