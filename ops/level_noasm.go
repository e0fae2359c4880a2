//go:build (!amd64 && !arm64) || noasm

package ops

const (
	hasNEON       = false
	hasAVX2       = false
	hasAVX512     = false
	hasAVX512BF16 = false
	hasAMX        = false
)

var (
	cacheL2    = -1
	amxRefused error
)
