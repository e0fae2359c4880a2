//go:build (!amd64 && !arm64) || noasm

package ops

func depthwiseWide[T Element](_ Level, _ []float32, _ []T, _ []float32, _ []Tap, _ []float32, _ Block, _ bool) int {
	return 0
}
func depthwiseGradWide[T Element](_ Level, _ []float32, _, _ []T, _ []Tap, _ Block) int { return 0 }
func maxTapsWide[T Element](_ Level, _ []float32, _ []T, _ []Tap, _ bool) int           { return 0 }
func firstMaxWide[T Element](_ Level, _, _ []float32, _ []T, _ []Tap) int               { return 0 }
func countMaxWide[T Element](_ Level, _, _ []float32, _ []T, _ []Tap) int               { return 0 }
func (Level) routeTapsWide(_, _, _ []float32, _ []Tap) int                              { return 0 }
func (Level) routeSharesWide(_, _, _, _ []float32, _ []Tap) int                         { return 0 }
