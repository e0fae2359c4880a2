package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/nn"
)

// PreviousName is the file of the checkpoint before the last one.
var PreviousName = nn.PreviousCheckpoint(CheckpointName)

// hasCheckpoint reports whether the run has saved anything.
func (d *Folder) hasCheckpoint() bool { return HasCheckpoint(d.Path) }

// HasCheckpoint reports whether the run in a folder has saved anything.
func HasCheckpoint(folder string) bool {
	return slices.ContainsFunc([]string{CheckpointName, PreviousName}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(folder, name))
		return !errors.Is(err, fs.ErrNotExist)
	})
}

// restore sets the trainer's state to that of the last checkpoint, or of the one before if that is
// damaged, which the note says.
func (d *Folder) restore(t *nn.Trainer) (note string, err error) {
	last, previous := d.File(CheckpointName), d.File(PreviousName)
	err = t.Resume(last)
	missing := errors.Is(err, fs.ErrNotExist)
	if err == nil || !missing && !errors.Is(err, nn.ErrDamaged) {
		return "", err
	}
	switch other := t.Resume(previous); {
	case errors.Is(other, fs.ErrNotExist):
		return "", err
	case other != nil:
		return "", fmt.Errorf("%w; %w", err, other)
	case missing:
		return fmt.Sprintf("%s is missing: the run resumes from %s", last, PreviousName), nil
	}
	return fmt.Sprintf("%s is damaged: the run resumes from %s", last, PreviousName), nil
}

// undone returns the epochs after those of the checkpoint that the run had finished, and that it is
// about to repeat.
func (d *Folder) undone(saved []nn.Row) []nn.Row {
	_, rows, err := Read(d.Path)
	if err != nil || len(rows) < len(saved) {
		return nil // the history is written again from the checkpoint
	}
	return rows[len(saved):]
}

// generations is the number of checkpoints that a run has at a time: the last, the one before, and
// the next while it is written.
const generations = 3

// checkSpace reports an error if the disk is known to have no space for checkpoints of this many
// bytes.
func (d *Folder) checkSpace(checkpoint int64) error {
	need := generations * checkpoint
	for _, name := range []string{CheckpointName, PreviousName} {
		if info, err := os.Lstat(d.File(name)); err == nil {
			need -= min(info.Size(), checkpoint)
		}
	}
	if left, known := atomicfile.Space(d.Path); known && left < need {
		return fmt.Errorf("%s: the disk has %.0f MB left, but saving takes %.0f: free some, or name a folder on another disk",
			d.Path, float64(left)/1e6, float64(need)/1e6)
	}
	return nil
}
