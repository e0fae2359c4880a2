// Package notices holds the licenses of the software that is linked into the program.
package notices

import _ "embed"

// Text is the license of Lamina and those of its dependencies, with what they ask to be said.
//
//go:generate go test . -run TestNotices -update
//go:embed THIRD-PARTY-NOTICES
var Text string
