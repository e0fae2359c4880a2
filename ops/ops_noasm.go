//go:build (!amd64 && !arm64) || noasm

package ops

func (Level) reluWide(_, _ []float32) int                                       { return 0 }
func (Level) reluGradWide(_, _, _ []float32) int                                { return 0 }
func (Level) maxPoolWide(_ []float32, _ *[4][]float32) int                      { return 0 }
func (Level) maxPoolBF16Wide(_ []BF16, _ *[4][]BF16) int                        { return 0 }
func (Level) maxPoolGradWide(_ *[4][]float32, _ []float32, _ *[4][]float32) int { return 0 }
func (Level) dropoutWide(_, _ []float32, _ []byte, _ float32) int               { return 0 }
func (Level) dropoutMaskWide(_ []byte, _ uint32, _ uint64, _ uint32, _ uint64, _ uint32) int {
	return 0
}
func (Level) sgdWide(_, _, _ []float32, _ sgdCoefficients) (int, float64) { return 0, 0 }
func (Level) sumSquaresWide([]float32) (int, float64)                     { return 0, 0 }
