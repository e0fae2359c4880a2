package ops

import (
	"os"
	"strings"
	"testing"
)

// wantLevels names the environment variable with the ISA levels that this machine must have,
// separated by spaces.
const wantLevels = "LAMINA_WANT_LEVELS"

// The other tests loop over Levels, so a level that detection misses would go untested in silence.
// .ci/run therefore sets LAMINA_WANT_LEVELS from a source other than our detection.
func TestWantedLevels(t *testing.T) {
	tested := map[string]bool{}
	for _, l := range Levels() {
		tested[l.String()] = true
	}
	for _, name := range strings.Fields(os.Getenv(wantLevels)) {
		if !tested[name] {
			t.Errorf("%s names %s, but Levels() = %v (AMX: %v)", wantLevels, name, Levels(), AMXRefused())
		}
	}
	t.Logf("tested levels: %v", Levels())
}
