package fmapeak

import (
	"math"
	"testing"

	"github.com/lamina-go/lamina/ops"
)

// Each level runs and gives a rate, whatever the machine reaches.
func TestMeasure(t *testing.T) {
	for _, level := range ops.Levels() {
		for _, cores := range []int{1, 2} {
			if got := Measure(level.String(), cores); !(got > 0) || math.IsInf(got, 0) {
				t.Errorf("Measure(%v, %d) = %v GFLOP/s", level, cores, got)
			}
		}
		if got := Now(level.String(), 1); !(got > 0) || math.IsInf(got, 0) {
			t.Errorf("Now(%v, 1) = %v GFLOP/s", level, got)
		}
	}
}

func TestMeasureUnknownLevel(t *testing.T) {
	defer func() {
		if recover() != errLevel {
			t.Errorf("no panic with %q", errLevel)
		}
	}()
	Measure("sse", 1)
}

func BenchmarkPeak(b *testing.B) {
	for _, level := range ops.Levels() {
		b.Run(level.String(), func(b *testing.B) {
			kernel, flop := kernelOf(level.String())
			kernel(b.N)
			b.ReportMetric(float64(b.N)*float64(flop)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
