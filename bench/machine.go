package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/klauspost/cpuid/v2"
	"github.com/lamina-go/lamina/internal/fmapeak"
	"github.com/lamina-go/lamina/ops"
)

// peak is the multiply-add peak in GFLOP/s at one level: of bf16 where that has products of bf16, else of float32.
type peak struct{ oneCore, allCores float64 }

// printMachine prints what the machine is and can do at most, and returns the peaks.
func printMachine(threads int) map[ops.Level]peak {
	fmt.Printf("%s, %d of %d cores, %s, %s/%s\n\n",
		cpuid.CPU.BrandName, threads, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Printf("Multiply-add peak, GFLOP/s\n%-10s  %-8s  %8s  %8s\n", "level", "", "one core", cores(threads))
	peaks := map[ops.Level]peak{}
	for _, level := range ops.Levels() {
		p := peak{fmapeak.Measure(level.String(), 1), fmapeak.Measure(level.String(), threads)}
		numbers := "float32"
		if level > level.Float() {
			numbers = "bf16"
		}
		fmt.Printf("%-10v  %-8s  %8.1f  %8.1f\n", level, numbers, p.oneCore, p.allCores)
		peaks[level] = p
	}
	return peaks
}

func cores(threads int) string {
	if threads == 1 {
		return "1 core"
	}
	return fmt.Sprintf("%d cores", threads)
}

// share prints a rate in GFLOP/s and what part of the peak it is.
func share(rate, peak float64) string { return fmt.Sprintf("%6.1f %3.0f %%", rate, 100*rate/peak) }

// Each kernel is called for this time, and at least so many times.
const (
	kernelTime  = 200 * time.Millisecond
	kernelCalls = 5
)

// repeat calls f, and then once and again as often as a kernel is measured.
func repeat(f func()) {
	f()
	for begin, calls := time.Now(), 0; calls < kernelCalls || time.Since(begin) < kernelTime; calls++ {
		f()
	}
}

// fastest returns the seconds of the fastest call of f: what the others lose is mostly the
// work of other programs.
func fastest(f func()) float64 {
	best := time.Duration(1<<63 - 1)
	repeat(func() {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	})
	return best.Seconds()
}
