//go:build (!amd64 && !arm64) || noasm

package ops

func (Level) columnSumsWide(_, _, _, _ []float32) int                          { return 0 }
func (Level) normalizeWide(_, _ []float32, _ *Norm) int                        { return 0 }
func (Level) normSumsWide(_, _, _, _ []float32, _ *Norm) int                   { return 0 }
func (Level) normGradWide(_, _, _ []float32, _ *NormGrad) int                  { return 0 }
func (Level) normalizePoolWide(_ []float32, _ *[4][]float32, _ *Norm) int      { return 0 }
func (Level) normPoolSumsWide(_, _, _ []float32, _ *[4][]float32, _ *Norm) int { return 0 }
func (Level) normPoolGradWide(_ *[4][]float32, _ []float32, _ *[4][]float32, _ *NormGrad) int {
	return 0
}
