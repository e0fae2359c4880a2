// Package fmapeak measures the peak floating-point throughput of the machine: independent FMAs on
// registers, nothing else. Benchmarks report their speed as a share of it, so that figures of
// different machines can be compared.
package fmapeak

import (
	"sync"
	"time"
)

const (
	calls   = 100                    // of which the best counts
	perCall = 2 * time.Millisecond   // long enough to start goroutines, short enough to run undisturbed
	perStep = 100 * time.Microsecond // for the first estimate of the number of iterations
	perNow  = 200 * time.Microsecond // a lowered clock rises after a millisecond or more
)

const errLevel = "fmapeak: level is not one of package ops, or not in this build"

// Measure returns the peak of cores cores together in GFLOP/s (an FMA counts as two). level is the
// name of one of ops.Levels. At avx512bf16 and amx the peak is of bf16 products, at the others of
// float32; generic is that of scalar Go code. It panics if the build has no such level.
func Measure(level string, cores int) float64 {
	kernel, flop := kernelOf(level)
	iterations := 1000
	for elapsed := time.Duration(0); elapsed < perStep; iterations *= 2 {
		start := time.Now()
		kernel(iterations)
		elapsed = time.Since(start)
	}
	iterations = int(float64(iterations) / 2 * float64(perCall) / float64(perStep))
	best := 0.0
	for range calls {
		var wg sync.WaitGroup
		start := time.Now()
		for range cores {
			wg.Go(func() { kernel(iterations) })
		}
		wg.Wait()
		best = max(best, float64(cores*iterations*flop)/time.Since(start).Seconds())
	}
	return best / 1e9
}

// Now returns the throughput of one core in GFLOP/s at its current clock; peak is what Measure
// returned. Processors lower the clock for kernels that need much power, and keep it low for a
// while.
func Now(level string, peak float64) float64 {
	kernel, flop := kernelOf(level)
	iterations := int(peak*1e9*perNow.Seconds())/flop + 1
	start := time.Now()
	kernel(iterations)
	return float64(iterations*flop) / time.Since(start).Seconds() / 1e9
}

const genericFlop = 2 * 12

// generic does iterations of 12 independent multiply-adds, s = s*a + b, of values that the compiler
// does not know: if they were the same it would compute one sum for all.
func generic(iterations int) {
	a, b, s := operands()
	s0, s1, s2, s3, s4, s5 := s[0], s[1], s[2], s[3], s[4], s[5]
	s6, s7, s8, s9, s10, s11 := s[6], s[7], s[8], s[9], s[10], s[11]
	for range iterations {
		s0 = s0*a + b
		s1 = s1*a + b
		s2 = s2*a + b
		s3 = s3*a + b
		s4 = s4*a + b
		s5 = s5*a + b
		s6 = s6*a + b
		s7 = s7*a + b
		s8 = s8*a + b
		s9 = s9*a + b
		s10 = s10*a + b
		s11 = s11*a + b
	}
	keep(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11)
}

// operands hides its values from the compiler. With them the sums stay near 2.
//
//go:noinline
func operands() (a, b float32, s [12]float32) { return 0.5, 1, [12]float32{} }

// keep makes the compiler compute the sums.
//
//go:noinline
func keep(float32) {}
