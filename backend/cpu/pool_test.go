package cpu

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

func TestPoolRunsEveryJobOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			p := newPool(workers, defaultSpins)
			defer p.close()
			counts := make([]atomic.Int32, 100)
			task := func(worker, job int) {
				if worker < 0 || worker >= workers {
					t.Errorf("worker %d of %d", worker, workers)
				}
				counts[job].Add(1)
			}
			for round := range 300 {
				jobs := round % len(counts)
				p.run(jobs, task)
				for job := range counts {
					want := int32(0)
					if job < jobs {
						want = 1
					}
					if got := counts[job].Swap(0); got != want {
						t.Fatalf("round %d: job %d ran %d times, want %d", round, job, got, want)
					}
				}
			}
		})
	}
}

// A worker that slept must be woken, and so must a caller.
func TestPoolSleeps(t *testing.T) {
	p := newPool(2, 0)
	defer p.close()
	var sum atomic.Int64
	task := func(_, job int) { sum.Add(int64(job)) }
	for range 2000 {
		p.run(4, task)
	}
	if got := sum.Load(); got != 2000*6 {
		t.Errorf("sum %d, want %d", got, 2000*6)
	}
}

// A worker that another program keeps from running must not hold up the others.
func TestPoolWaitsForNoIdleWorker(t *testing.T) {
	p := newPool(1, defaultSpins)
	p.workers, p.shares, p.asleep = 2, make([]share, 2), make([]atomic.Bool, 2) // one that never comes
	sum := 0
	for range 3 {
		p.run(4, func(_, job int) { sum += job })
	}
	if sum != 3*6 {
		t.Errorf("sum %d, want %d", sum, 3*6)
	}
}

func TestPoolPanicReachesCaller(t *testing.T) {
	p := newPool(3, defaultSpins)
	defer p.close()
	message := func() (r any) {
		defer func() { r = recover() }()
		p.run(50, func(_, job int) {
			if job == 7 {
				panic("ops: something")
			}
		})
		return nil
	}()
	if !strings.HasPrefix(fmt.Sprint(message), "ops: something") {
		t.Errorf("panic %v, want that of the job", message)
	}
	done := make([]bool, 50)
	p.run(50, func(_, job int) { done[job] = true })
	if slices.Contains(done, false) {
		t.Error("a job did not run after a panic")
	}
}

func TestPoolRunsNothingWhenClosed(t *testing.T) {
	p := newPool(2, defaultSpins)
	p.close()
	p.close()
	if !panics(func() { p.run(2, func(_, _ int) { t.Error("a job ran") }) }) {
		t.Error("no panic")
	}
}

func TestPoolAllocatesNothing(t *testing.T) {
	p := newPool(2, defaultSpins)
	defer p.close()
	task := func(_, _ int) {}
	if n := testing.AllocsPerRun(100, func() { p.run(10, task) }); n != 0 {
		t.Errorf("%g allocations a run", n)
	}
}

func BenchmarkPool(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			p := newPool(workers, defaultSpins)
			defer p.close()
			task := func(_, _ int) {}
			for b.Loop() {
				p.run(2*workers, task)
			}
		})
	}
}
