package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/nn"
)

// TestRecordsAreThoseOfKeras compares with a file that Keras 2.15 wrote in two epochs.
func TestRecordsAreThoseOfKeras(t *testing.T) {
	const file = "testdata/keras-2.15-validation.tfevents"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for len(data) > 0 {
		length := recordHead + int(binary.LittleEndian.Uint64(data)) + 4
		want := data[:length]
		data = data[length:]
		tag, step, value, ok := parse(t, want)
		if !ok || !strings.HasPrefix(tag, "epoch_") {
			continue
		}
		if got := scalar(tag, step, value)(wallTime(want)); !bytes.Equal(got, want) {
			t.Errorf("%s at step %d:\n%x, want\n%x", tag, step, got, want)
		}
		compared++
	}
	if compared != 4 {
		t.Errorf("%d records of %s compared, want 4", compared, file)
	}
}

// parse reads a record, checking it, and reports whether it is of a scalar.
func parse(t *testing.T, record []byte) (tag string, step int, value float64, ok bool) {
	t.Helper()
	length := binary.LittleEndian.Uint64(record)
	event := record[recordHead : recordHead+length]
	for _, block := range []struct{ data, sum []byte }{{record[:8], record[8:]}, {event, record[recordHead+length:]}} {
		crc := crc32.Checksum(block.data, crc32.MakeTable(crc32.Castagnoli))
		if got, want := binary.LittleEndian.Uint32(block.sum), (crc>>15|crc<<17)+0xa282ead8; got != want {
			t.Fatalf("a checksum of %08x, want %08x", got, want)
		}
	}
	fields := parseFields(t, event)
	summary, ok := fields[5]
	if !ok {
		return "", 0, 0, false
	}
	named := parseFields(t, parseFields(t, summary)[1])
	content := parseFields(t, named[8])[4]
	if v, n := protowire.ConsumeVarint(fields[2]); n > 0 {
		step = int(v)
	}
	return string(named[1]), step, float64(math.Float32frombits(binary.LittleEndian.Uint32(content))), true
}

// parseFields returns the last value of each field of a message: of a number its bytes.
func parseFields(t *testing.T, message []byte) map[protowire.Number][]byte {
	t.Helper()
	fields := map[protowire.Number][]byte{}
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(field, kind, message); n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		fields[field] = message[:n]
		if kind == protowire.BytesType {
			fields[field], _ = protowire.ConsumeBytes(message)
		}
		message = message[n:]
	}
	return fields
}

func rows(n int) []nn.Row {
	var all []nn.Row
	for i := range n {
		x := float64(i + 1)
		all = append(all, nn.Row{Epoch: i + 1, Result: nn.Result{Loss: 2 / x, Accuracy: 1 - 0.5/x},
			Validation: nn.Result{Loss: 3 / x, Accuracy: 1 - 0.75/x}, LearningRate: 0.01 / x})
	}
	return all
}

// written returns the scalars in the folder of a run, and the one file that they are in.
func written(t *testing.T, dir string) (scalars []string, file string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*.v2"))
	if err != nil || len(files) != 1 {
		t.Fatalf("event files %v (%v), want one", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		length := recordHead + int(binary.LittleEndian.Uint64(data)) + 4
		if tag, step, value, ok := parse(t, data[:length]); ok {
			scalars = append(scalars, fmt.Sprintf("%s %d %.4f", tag, step, value))
		}
		data = data[length:]
	}
	return scalars, files[0]
}

// check compares with the events of three epochs of rows.
func check(t *testing.T, dir string) {
	t.Helper()
	for _, test := range []struct {
		run  string
		want []string
	}{
		{"train", []string{
			"epoch_loss 0 2.0000", "epoch_accuracy 0 0.5000", "epoch_lr 0 0.0100",
			"epoch_loss 1 1.0000", "epoch_accuracy 1 0.7500", "epoch_lr 1 0.0050",
			"epoch_loss 2 0.6667", "epoch_accuracy 2 0.8333", "epoch_lr 2 0.0033"}},
		{"validation", []string{
			"epoch_loss 0 3.0000", "epoch_accuracy 0 0.2500",
			"epoch_loss 1 1.5000", "epoch_accuracy 1 0.6250",
			"epoch_loss 2 1.0000", "epoch_accuracy 2 0.7500"}},
	} {
		got, _ := written(t, filepath.Join(dir, test.run))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.run, diff)
		}
	}
}

func open(t *testing.T, dir string, history []nn.Row) *TensorBoard {
	t.Helper()
	b, err := OpenTensorBoard(dir, history, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func add(t *testing.T, b *TensorBoard, rows ...nn.Row) {
	t.Helper()
	for _, row := range rows {
		if err := b.Epoch(row); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTensorBoard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "board")
	b := open(t, dir, nil)
	add(t, b, rows(3)...)
	check(t, dir) // while the file is open
}

// TestTensorBoardContinues cuts the files of three epochs off at every length.
func TestTensorBoardContinues(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, nil)
	add(t, b, rows(3)...)
	b.Close()
	_, path := written(t, filepath.Join(dir, "train"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for length := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:length], 0o644); err != nil {
			t.Fatal(err)
		}
		b := open(t, dir, rows(3))
		b.Close()
		check(t, dir)
		if t.Failed() {
			t.Fatalf("of files cut off after %d bytes", length)
		}
	}
	// A reader at the end of a whole record can continue there.
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(whole, after) {
		t.Error("whole records have changed")
	}
}

// TestTensorBoardRepeats undoes the last of three epochs, of files cut off at every length.
func TestTensorBoardRepeats(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, nil)
	add(t, b, rows(3)...)
	b.Close()
	_, path := written(t, filepath.Join(dir, "train"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for length := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:length], 0o644); err != nil {
			t.Fatal(err)
		}
		b, err := OpenTensorBoard(dir, rows(3)[:1], rows(3)[1:])
		if err != nil {
			t.Fatalf("of files cut off after %d bytes: %v", length, err)
		}
		add(t, b, rows(3)[1:]...)
		b.Close()
		check(t, dir)
		if t.Failed() {
			t.Fatalf("of files cut off after %d bytes", length)
		}
	}
	other := rows(3)
	other[2].Loss = float64(math.Nextafter32(1, 2))
	if _, err := OpenTensorBoard(dir, rows(3)[:1], other[1:]); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("the error %v does not mention another run", err)
	}
}

func TestTensorBoardOfAnotherRun(t *testing.T) {
	other := rows(3)
	other[1].Loss = float64(math.Nextafter32(1, 2))
	for _, test := range []struct {
		name    string
		history []nn.Row
		put     func(dir string) error // beside the events of three epochs
	}{
		{"another loss", other, nil},
		{"fewer epochs", rows(2), nil},
		{"a new run", nil, nil},
		{"two files", rows(3), func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "train", "events.out.tfevents.1.host.1.0.v2"), nil, 0o644)
		}},
		{"events of Keras", rows(2), func(dir string) error {
			_, path := written(t, filepath.Join(dir, "validation"))
			data, err := os.ReadFile("testdata/keras-2.15-validation.tfevents")
			if err != nil {
				return err
			}
			return os.WriteFile(path, data, 0o644)
		}},
		{"a short text", rows(3), func(dir string) error {
			_, path := written(t, filepath.Join(dir, "validation"))
			return os.WriteFile(path, []byte("text"), 0o644)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, dir, nil)
			add(t, b, rows(3)...)
			b.Close()
			if test.put != nil {
				if err := test.put(dir); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := OpenTensorBoard(dir, test.history, nil); err == nil || !strings.Contains(err.Error(), "another run") {
				t.Fatalf("the error %v does not mention another run", err)
			}
			if _, err := OpenTensorBoard(dir, test.history, nil); err == nil || strings.Contains(err.Error(), "process") {
				t.Fatalf("the lock was kept: %v", err)
			}
		})
	}
}

func TestTensorBoardOfOneProcess(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, nil)
	if _, err := OpenTensorBoard(dir, nil, nil); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("two runs at once: %v", err)
	}
}
