package classify_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/keras"
	"github.com/lamina-go/lamina/nn"
)

// modelFiles returns the small model in each format.
func modelFiles(t *testing.T) fstest.MapFS {
	t.Helper()
	m, err := nn.OpenModel(classifytest.OpenCPU(t), classifytest.Checkpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	dir, files := t.TempDir(), fstest.MapFS{}
	for _, name := range []string{"model.h5", "model.keras", "model.safetensors"} {
		path := filepath.Join(dir, name)
		if err := keras.Save(path, m, nil); err != nil {
			t.Fatal(err)
		}
		files["models/"+name] = &fstest.MapFile{Data: readFile(t, path)}
	}
	checkpoint := readFile(t, classifytest.Checkpoint(t))
	files["shapes/"+classify.CheckpointName] = &fstest.MapFile{Data: checkpoint}
	files["shapes/half.lamina"] = &fstest.MapFile{Data: checkpoint[:len(checkpoint)/2]}
	files["models/half.h5"] = &fstest.MapFile{Data: files["models/model.h5"].Data[:1000]}
	return files
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// zipped returns the files as a zip archive, whose files can only be read from their start.
func zipped(t *testing.T, files fstest.MapFS) fs.FS {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	if err := w.AddFS(files); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The small model answers the same from any file system, in any format.
func TestOpenFS(t *testing.T) {
	want := classifytest.Probabilities(t, 0, 1)
	files := modelFiles(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	b := classifytest.OpenCPU(t)
	for _, fsys := range []fs.FS{files, zipped(t, files), os.DirFS(dir)} {
		for path, name := range map[string]string{"models/model.h5": "model", "models/model.keras": "model",
			"models/model.safetensors": "model", "shapes": "shapes", "shapes/" + classify.CheckpointName: "checkpoint"} {
			m, err := classify.OpenFS(fsys, path, classify.Options{Backend: b})
			if err != nil {
				t.Fatalf("%T: %v", fsys, err)
			}
			if m.Name() != name {
				t.Errorf("%s has the name %q", path, m.Name())
			}
			results, err := m.Classify(t.Context(), classifytest.Image(0))
			if err != nil {
				t.Fatal(err)
			}
			classifytest.Check(t, results[0].Top(3), 3, want[0])
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
		for path, words := range map[string]string{
			"nowhere":            "nowhere does not exist: name the folder of a run",
			"models":             "models is not the folder of a run with a checkpoint",
			"/models/model.h5":   `"/models/model.h5" is not a path of a file system`,
			"models/half.h5":     infile.Damaged,
			"shapes/half.lamina": "its checksum is wrong",
		} {
			if _, err := classify.OpenFS(fsys, path, classify.Options{}); err == nil || !strings.Contains(err.Error(), words) ||
				!strings.Contains(err.Error(), path) {
				t.Errorf("%T, %s: %v", fsys, path, err)
			}
		}
	}
}

// Of a run whose last checkpoint is damaged or missing, the one before is opened, with a note.
func TestPreviousCheckpoint(t *testing.T) {
	want := classifytest.Probabilities(t, 0, 1)
	whole := readFile(t, classifytest.Checkpoint(t))
	previous := "run/" + nn.PreviousCheckpoint(classify.CheckpointName)
	b := classifytest.OpenCPU(t)
	for _, files := range []fstest.MapFS{
		{previous: {Data: whole}},
		{previous: {Data: whole}, "run/" + classify.CheckpointName: {Data: whole[:len(whole)/2]}},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, files); err != nil {
			t.Fatal(err)
		}
		o := classify.Options{Backend: b}
		inFS, err := classify.OpenFS(files, "run", o)
		if err != nil {
			t.Fatal(err)
		}
		onDisk, err := classify.Open(filepath.Join(dir, "run"), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*classify.Model{inFS, onDisk} {
			if notes := m.Notes(); len(notes) != 1 || !strings.Contains(notes[0], "the checkpoint before it") {
				t.Errorf("notes %q", notes)
			}
			results, err := m.Classify(t.Context(), classifytest.Image(0))
			if err != nil {
				t.Fatal(err)
			}
			classifytest.Check(t, results[0].Top(3), 3, want[0])
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
