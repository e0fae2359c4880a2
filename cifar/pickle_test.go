package cifar

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/infile"
)

func budgetOf(data []byte) *infile.Budget { return infile.NewBudget(int64(len(data))) }

// Pickles of several versions of Python and numpy are read. Cut or damaged ones cause an error, no
// panic.
func TestPickles(t *testing.T) {
	folders, ten := picklesOf(t), distributions()[1]
	if len(folders) < 10 {
		t.Fatalf("only %d pickles", len(folders))
	}
	for name, f := range folders {
		t.Run(name, func(t *testing.T) {
			batch, meta := f["data_batch_1"], f["batches.meta"]
			images, err := ten.readPickle(bytes.NewReader(batch), int64(len(batch)), budgetOf(batch))
			if err != nil {
				t.Fatal(err)
			}
			checkImages(t, images)
			names, err := ten.readPickleNames(bytes.NewReader(meta), int64(len(meta)), budgetOf(meta))
			if err != nil || strings.Join(names, " ") != officialNames {
				t.Errorf("names %q, %v", names, err)
			}
			for i := 0; i < len(batch); i += 1 + len(batch)/500 {
				if _, err := unpickle(batch[:i], budgetOf(batch[:i])); err == nil {
					t.Errorf("cut after %d bytes: no error", i)
				}
			}
			for i := range meta {
				for bit := range 8 {
					damaged := slices.Clone(meta)
					damaged[i] ^= 1 << bit
					unpickle(damaged, budgetOf(damaged)) // does not panic
				}
			}
		})
	}
}

func TestBadPickles(t *testing.T) {
	ten := distributions()[1]
	const array = "(S'data'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
	tests := []struct{ name, pickle, want string }{
		{"function", "cposix\nsystem\n(S'true'\ntR.", "wants to run posix.system"},
		{"function of protocol 4", "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "wants to run os.system"},
		{"class", "(ios\nPopen\n.", "wants to run os.Popen"},
		{"object", "(cnumpy\ndtype\no.", "opcode 'o'"},
		{"new object", "cnumpy\nndarray\n)\x81.", `opcode '\u0081'`},
		{"instance", "(inumpy\nndarray\n.", "opcode 'i'"},
		{"builtin", "c__builtin__\neval\n(S'1'\ntR.", "wants to run __builtin__.eval"},
		{"strange name", "c\x1b[2J\nx\n.", "wants to run ?[2J.x"},
		{"extension", "\x82\x01.", `opcode '\u0082'`},
		{"persistent", "Pid\n.", "opcode 'P'"},
		{"call of a class", "cnumpy\nndarray\n(tR.", "unexpected arguments of numpy.ndarray"},
		{"call of a string", "S'os'\n(tR.", "wrong type"},
		{"state of a list", "](I1\ntb.", "unexpected state"},
		{"protocol 9", "\x80\x09N.", "protocol 9"},
		{"empty stack", ".", "too few"},
		{"no mark", "t.", "no mark"},
		{"pop below a mark", "N(0.", "too few"},
		{"kept nothing", "h\x05.", "no value 5"},
		{"odd items", "}(Nu.", "key without a value"},
		{"key of None", "}NNs.", "not a short string"},
		{"long key", "}S'" + strings.Repeat("x", 101) + "'\nNs.", "not a short string"},
		{"huge string", "\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "cut off"},
		{"huge number", "\x8a\xff" + strings.Repeat("x", 255) + ".", "too large"},
		{"decoded again and again", "c_codecs\nencode\nq\x00X\x20\x00\x00\x00" + strings.Repeat("x", 32) + "q\x01X\x06\x00\x00\x00latin1q\x02" +
			strings.Repeat("0h\x00h\x01h\x02\x86R", 50) + ".", "too often"},
		{"not Latin-1", "c_codecs\nencode\n(V\\u4e00\nS'latin1'\ntR.", "not a byte"},
		{"other coding", "c_codecs\nencode\n(Vx\nS'rot13'\ntR.", "unexpected arguments of _codecs.encode"},
		{"array of floats", array + "(I1\n(I1\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntRI00\nS'12345678'\ntb.", `type "f8"`},
		{"array of three axes", array + "(I1\n(I1\nI1\nI1\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntRI00\nS'x'\ntb.", "3 axes"},
		{"array too large", array + "(I1\n(I5000000000\nI5000000000\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntRI00\nS'x'\ntb.", "shape"},
		{"array too small", array + "(I1\n(I2\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntRI00\nS'x'\ntb.", "does not fit"},
		{"array of columns", array + "(I1\n(I1\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntRI01\nS'x'\ntb.", "column-major"},
		{"list", "].", "not a pickled dictionary"},
		{"no data", "}.", `"data" is not an array`},
		{"label that holds itself", "}(S'data'\n" + oneImage() + "S'labels'\n]p9\ng9\nau.", "list of 1 integers"},
		{"label 10", "}(S'data'\n" + oneImage() + "S'labels'\n]I10\nau.", "record 0: label 10"},
		{"label −1", "}(S'data'\n" + oneImage() + "S'labels'\n]J\xff\xff\xff\xffau.", "record 0: label -1"},
		{"too few labels", "}(S'data'\n" + oneImage() + "S'labels'\n]u.", "list of 1 integers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ten.readPickle(strings.NewReader(test.pickle), int64(len(test.pickle)), budgetOf([]byte(test.pickle)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
		})
	}
}

// oneImage returns the pickle of an array of one black image.
func oneImage() string {
	return "cnumpy.core.numeric\n_frombuffer\n(B\x00\x0c\x00\x00" + strings.Repeat("\x00", imageBytes) +
		"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I1\nI3072\ntS'C'\ntR"
}

// Numbers and strings of every opcode have Python's values.
func TestPickleValues(t *testing.T) {
	tests := []struct {
		pickle string
		want   any
	}{
		{"N.", nil},
		{"\x88.", true},
		{"I00\n.", false},
		{"I01\n.", true},
		{"I-7\n.", int64(-7)},
		{"L70000000000L\n.", int64(70000000000)},
		{"K\xff.", int64(255)},
		{"M\x01\x02.", int64(513)},
		{"J\xfe\xff\xff\xff.", int64(-2)},
		{"\x8a\x00.", int64(0)},
		{"\x8a\x01\x80.", int64(-128)},
		{"\x8a\x02\x00\x80.", int64(-32768)},
		{"\x8a\x05\xff\xff\xff\xff\x00.", int64(4294967295)},
		{"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\xff.", int64(-1)},
		{"F1.5\n.", 1.5},
		{"G\x3f\xf8\x00\x00\x00\x00\x00\x00.", 1.5},
		{`S'it\'s "\\" \x00\xff\n'` + "\n.", "it's \"\\\" \x00\xff\n"},
		{`S"it's"` + "\n.", "it's"},
		{`V\u4e00\u005c` + "\xe9\n.", "一\\é"},
		{"U\x02hi.", "hi"},
		{"X\x02\x00\x00\x00hi.", "hi"},
		{"\x8c\x02hi.", "hi"},
		{"S'kept'\np1\n0g1\n.", "kept"},
		{"\x8c\x01a\x94\x8c\x01b\x940h\x00.", "a"},
		{"(I1\nI2\n1I3\n.", int64(3)},
	}
	for _, test := range tests {
		got, err := unpickle([]byte(test.pickle), budgetOf([]byte(test.pickle)))
		if s, ok := got.(text); ok {
			got = string(s)
		}
		if err != nil || got != test.want {
			t.Errorf("%q is %#v, %v, want %#v", test.pickle, got, err, test.want)
		}
	}
}
