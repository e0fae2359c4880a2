//go:build !amd64 || noasm

package ops

func (Level) widenWide(_ []float32, _ []BF16) int                                      { return 0 }
func (Level) roundWide(_ []BF16, _ []float32) int                                      { return 0 }
func (Level) interleaveWide(_ []BF16, _ int, _ []BF16, _, _, _ int) int                { return 0 }
func (Level) gatherWide(_ []BF16, _ int, _ []BF16, _, _ int) int                       { return 0 }
func (Level) separateWide(_ []BF16, _ int, _ []BF16, _, _ int) int                     { return 0 }
func (Level) splitWide(_ []float32, _ []BF16, _ int) bool                              { return false }
func (Level) columnSumsBF16Wide(_, _ []float32, _ []BF16, _ []float32) bool            { return false }
func (Level) normalizeBF16Wide(_, _ []BF16, _ *Norm) bool                              { return false }
func (Level) normSumsBF16Wide(_, _ []float32, _, _ []BF16, _ *Norm) bool               { return false }
func (Level) normGradBF16Wide(_, _, _ []BF16, _ *NormGrad) bool                        { return false }
func (Level) normalizePoolBF16Wide(_, _ []BF16, _ Window, _ *Norm) bool                { return false }
func (Level) normPoolSumsBF16Wide(_, _ []float32, _, _ []BF16, _ Window, _ *Norm) bool { return false }
func (Level) normPoolGradBF16Wide(_, _, _ []BF16, _ Window, _ *NormGrad) bool          { return false }
