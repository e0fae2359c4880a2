//go:build !amd64 || noasm

package ops

func (Level) widenWide(_ []float32, _ []BF16) int                       { return 0 }
func (Level) roundWide(_ []BF16, _ []float32) int                       { return 0 }
func (Level) interleaveWide(_ []BF16, _ int, _ []BF16, _, _, _ int) int { return 0 }
func (Level) separateWide(_ []BF16, _ int, _ []BF16, _, _ int) int      { return 0 }
func (Level) splitWide(_ []float32, _ []BF16, _ int) bool               { return false }
