//go:build !amd64 || noasm

package ops

func (Level) depthwiseWide(_, _, _ []float32, _ []Tap, _ []float32, _ Block, _ bool) int { return 0 }
func (Level) depthwiseGradWide(_, _, _ []float32, _ []Tap, _ Block) int                  { return 0 }
func (Level) maxTapsWide(_, _ []float32, _ []Tap, _ bool) int                            { return 0 }
func (Level) firstMaxWide(_, _, _ []float32, _ []Tap) int                                { return 0 }
func (Level) routeTapsWide(_, _, _ []float32, _ []Tap) int                               { return 0 }
func (Level) countMaxWide(_, _, _ []float32, _ []Tap) int                                { return 0 }
func (Level) routeSharesWide(_, _, _, _ []float32, _ []Tap) int                          { return 0 }
