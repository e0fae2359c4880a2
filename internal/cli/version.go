package cli

import (
	"runtime/debug"
	"strings"
)

// devel is the version of a program that is built from a working tree.
const devel = "(devel)"

// Version returns the version of this program: that of its module, or the revision of its source
// and the revision's date, or "(devel)".
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return devel
	}
	if v := info.Main.Version; v != "" && v != devel {
		return v
	}
	var parts []string
	for _, key := range []string{"vcs.revision", "vcs.time"} {
		for _, s := range info.Settings {
			if s.Key == key {
				parts = append(parts, s.Value)
			}
		}
	}
	if parts == nil {
		return devel
	}
	return strings.Join(parts, " ")
}
