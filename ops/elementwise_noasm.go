//go:build (!amd64 && !arm64) || noasm

package ops

func (Level) sumWide(_, _, _ []float32) int                            { return 0 }
func (Level) sumReLUWide(_, _, _ []float32) int                        { return 0 }
func (Level) sumReLUGradWide(_, _, _, _ []float32) int                 { return 0 }
func (Level) generalReLUWide(_, _ []float32, _ generalReLU) int        { return 0 }
func (Level) generalReLUGradWide(_, _, _ []float32, _ generalReLU) int { return 0 }
func (Level) adamWWide(_, _, _, _ []float32, _ adamWCoefficients) (int, float64) {
	return 0, 0
}
