//go:build !noasm

package ops

import "github.com/lamina-go/lamina/internal/processor"

const (
	hasNEON       = true
	hasAVX2       = false
	hasAVX512     = false
	hasAVX512BF16 = false
	hasAMX        = false
)

var (
	cacheL2    = processor.Cache(2) // bytes of L2, -1 if not known
	amxRefused error
)
