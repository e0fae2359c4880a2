package device

import (
	"runtime"
	"strings"
	"testing"
)

// More threads than cores are accepted, since results do not depend on them, but are worth a note.
func TestThreads(t *testing.T) {
	cores := runtime.NumCPU()
	for _, threads := range []int{0, 1, cores, cores + 1, MaxThreads} {
		o := Defaults()
		o.Backend, o.Threads = "cpu", threads
		if err := o.Check(); err != nil {
			t.Fatal(err)
		}
		b, err := o.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(o.Notes(b), "\n")
		b.Close()
		if got := strings.Contains(notes, "slower"); got != (threads > cores) {
			t.Errorf("%d threads on %d cores: notes %q", threads, cores, notes)
		}
	}
}
