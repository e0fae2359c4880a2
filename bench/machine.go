package bench

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/internal/fmapeak"
	"github.com/lamina-go/lamina/internal/processor"
	"github.com/lamina-go/lamina/ops"
)

// peak is the multiply-add peak in GFLOP/s at one ISA level: in bf16 if the level has bf16
// products, else in float32.
type peak struct{ oneCore, allCores float64 }

// printMachine prints what is measured: in Markdown with all that a reader needs to compare.
func printMachine(out *output, level ops.Level, o *Options) {
	used := fmt.Sprintf("%d of %d cores", o.Threads, runtime.NumCPU())
	if o.Threads > runtime.NumCPU() {
		used = fmt.Sprintf("%d threads on %d cores", o.Threads, runtime.NumCPU())
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if !out.markdown {
		fmt.Fprintf(out, "%s, %s, %s, %s\n", processor.Name(), used, runtime.Version(), platform)
		return
	}
	t := out.table(text("machine", 0), text(strings.ReplaceAll(processor.Name(), "|", ""), 0))
	t.row("cores", used)
	if caches := caches(); caches != "" {
		t.row("caches", caches)
	}
	t.row("ISA level", level.String())
	t.row("date", time.Now().Format(time.DateOnly))
	t.row("version", cli.Version())
	t.row("Go", runtime.Version()+" "+platform)
	t.row("command", "`"+o.Command+"`")
}

// caches lists the sizes of the caches, as far as they are known.
func caches() string {
	var sizes []string
	for i, name := range []string{"L1d", "L2", "L3"} {
		if size := processor.Cache(i + 1); size > 0 {
			sizes = append(sizes, fmt.Sprintf("%s %d KiB", name, size>>10))
		}
	}
	return strings.Join(sizes, ", ")
}

// printPeaks prints what the machine can do at most, and returns it.
func printPeaks(out *output, threads int) map[ops.Level]peak {
	out.title("Multiply-add peak, GFLOP/s", "")
	t := out.table(text("level", 10), text("type", 8), number("one core", 8), number(cores(threads), 8))
	peaks := map[ops.Level]peak{}
	for _, level := range ops.Levels() {
		p := peak{fmapeak.Measure(level.String(), 1), fmapeak.Measure(level.String(), threads)}
		kind := "float32"
		if level > level.Float() {
			kind = "bf16"
		}
		t.row(level.String(), kind, fmt.Sprintf("%.1f", p.oneCore), fmt.Sprintf("%.1f", p.allCores))
		peaks[level] = p
	}
	return peaks
}

// cores says on how many cores threads run.
func cores(threads int) string {
	switch {
	case threads == 1:
		return "1 core"
	case threads > runtime.NumCPU():
		return fmt.Sprintf("%d threads", threads)
	}
	return fmt.Sprintf("%d cores", threads)
}

// share formats a rate in GFLOP/s and its share of the peak.
func share(rate, peak float64) string { return fmt.Sprintf("%6.1f %3.0f %%", rate, 100*rate/peak) }

// A kernel is called for this time, and at least this many times.
const (
	kernelTime  = 200 * time.Millisecond
	kernelCalls = 5
)

// repeat calls f once to warm up, and then as often as a kernel is measured.
func repeat(f func()) {
	f()
	for begin, calls := time.Now(), 0; calls < kernelCalls || time.Since(begin) < kernelTime; calls++ {
		f()
	}
}

// fastest returns the seconds of the fastest call of f: slower ones are mostly disturbed by other
// programs.
func fastest(f func()) float64 {
	best := time.Duration(1<<63 - 1)
	repeat(func() {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	})
	return best.Seconds()
}
