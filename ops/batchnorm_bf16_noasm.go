//go:build !amd64 || noasm

package ops

func (Level) columnSumsBF16Wide(_, _ []float32, _ []BF16, _ []float32) bool      { return false }
func (Level) normalizeBF16Wide(_, _ []BF16, _ *Norm) bool                        { return false }
func (Level) normSumsBF16Wide(_, _ []float32, _, _ []BF16, _ *Norm) bool         { return false }
func (Level) normGradBF16Wide(_, _, _ []BF16, _ *NormGrad) bool                  { return false }
func (Level) normalizePoolBF16Wide(_, _ []BF16, _ Window2x2, _ *Norm) bool       { return false }
func (Level) normPoolGradBF16Wide(_, _, _ []BF16, _ Window2x2, _ *NormGrad) bool { return false }
func (Level) normPoolSumsBF16Wide(_, _ []float32, _, _ []BF16, _ Window2x2, _ *Norm) bool {
	return false
}
