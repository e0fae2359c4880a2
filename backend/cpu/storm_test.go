//go:build unix

package cpu

import (
	"math"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestStormsChangeNoBit runs steps while signals rain on the process and the garbage collector
// stops its threads: what kernels have in registers, the tiles of AMX above all, must be theirs.
func TestStormsChangeNoBit(t *testing.T) {
	eachStep(t, func(t *testing.T, o Options) {
		o.Threads = 3
		weights := func() []float32 {
			n := newNetwork(open(t, o))
			for range 20 {
				n.run(t)
			}
			got := make([]float32, n.params.Shape().Size())
			if err := n.b.Read(got, n.params); err != nil {
				t.Fatal(err)
			}
			return got
		}
		want := weights()

		var storm sync.WaitGroup
		defer storm.Wait()
		calm := make(chan struct{})
		defer close(calm)
		for _, f := range []func(){
			func() { syscall.Kill(os.Getpid(), syscall.SIGURG) }, // that of the runtime itself: others are ignored
			runtime.GC,
		} {
			storm.Go(func() {
				for {
					select {
					case <-calm:
						return
					case <-time.After(20 * time.Microsecond):
						f()
					}
				}
			})
		}
		got := weights()
		for i := range got {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
				t.Fatalf("parameter %d is %g, in calm %g", i, got[i], want[i])
			}
		}
	})
}
