package cpu

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// pool is a fixed set of workers that run the jobs of one task together. Worker 0 is the goroutine
// that calls run; the others are permanent.
type pool struct {
	workers int
	spins   int // polls of a waiting goroutine before it sleeps

	task   func(worker, job int)
	shares []share

	round  atomic.Uint32 // counts the runs: a change starts the workers
	inside atomic.Int32  // workers, without the caller, that take jobs; less shut when no more may enter
	asleep []atomic.Bool // by worker: it sleeps, or is about to, until wake
	wake   []chan struct{}
	done   chan struct{} // wakes the caller after the last worker
	caller atomic.Bool   // it sleeps, or is about to, until done
	closed atomic.Bool
	exit   sync.WaitGroup

	mu      sync.Mutex
	failure any // what the first job to panic panicked with
}

// share is a worker's range of the jobs: those from next to end have not been taken.
type share struct {
	next atomic.Int64
	end  int64
	_    [lineSize - 16]byte
}

// shut is more than there can be workers.
const shut = 1 << 30

// defaultSpins keeps workers awake for some 400 µs: during the serial code between two parallel
// sections, and during the last job of another worker. A sleeping worker wakes late, and sometimes
// on the caller's core. Locking workers to threads does not help: waking one takes another thread,
// with the same result.
const defaultSpins = 400000

// newPool starts workers − 1 goroutines. With more workers than cores none spins, as it would take
// time from the others.
func newPool(workers, spins int) *pool {
	if workers > runtime.GOMAXPROCS(0) {
		spins = 0
	}
	p := &pool{
		workers: workers,
		spins:   spins,
		shares:  make([]share, workers),
		asleep:  make([]atomic.Bool, workers),
		wake:    make([]chan struct{}, workers),
		done:    make(chan struct{}, 1),
	}
	p.inside.Store(-shut)
	for w := 1; w < workers; w++ {
		p.wake[w] = make(chan struct{}, 1)
		p.exit.Add(1)
		go p.loop(w)
	}
	return p
}

// run calls task(worker, job) once for each job < jobs and returns when all are done. Each worker
// has an equal share of adjacent jobs, and takes others' jobs when its own are done. Adjacent jobs
// read the same data, and the next task finds the results of this one in the cache of the same
// core. run does not wait for a worker that has taken no job, because another program has its core.
// After a panic in a job the other workers stop, and run panics. run must not be called from within
// a job. It allocates nothing if task is an existing value.
func (p *pool) run(jobs int, task func(worker, job int)) {
	if p.closed.Load() {
		panic(errClosed)
	}
	p.task, p.failure = task, nil
	for w := range p.shares {
		p.shares[w].next.Store(int64(jobs * w / p.workers))
		p.shares[w].end = int64(jobs * (w + 1) / p.workers)
	}
	if p.workers > 1 && jobs > 1 {
		p.inside.Store(0)
		p.start()
		p.work(0)
		p.wait()
	} else {
		p.work(0)
	}
	if p.failure != nil {
		panic(p.failure)
	}
}

// start begins a round and wakes the sleeping workers.
func (p *pool) start() {
	p.round.Add(1)
	for w := 1; w < p.workers; w++ {
		if p.asleep[w].CompareAndSwap(true, false) {
			p.wake[w] <- struct{}{}
		}
	}
}

// wait ends a round: no further worker may enter. It returns when those inside are done.
func (p *pool) wait() {
	p.inside.Add(-shut)
	for range p.spins {
		if p.inside.Load() == -shut {
			return
		}
	}
	for p.inside.Load() != -shut { // the wake-up may be a late one, of an earlier round
		p.caller.Store(true)
		if p.inside.Load() == -shut && p.caller.CompareAndSwap(true, false) {
			return
		}
		<-p.done
	}
}

// enter adds a worker to the round, if that has not ended.
func (p *pool) enter() bool {
	for {
		n := p.inside.Load()
		if n < 0 {
			return false
		}
		if p.inside.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave wakes the caller, if it waits for the last worker.
func (p *pool) leave() {
	if p.inside.Add(-1) == -shut && p.caller.CompareAndSwap(true, false) {
		p.done <- struct{}{}
	}
}

// loop runs a worker: it waits for a round, works, and repeats.
func (p *pool) loop(worker int) {
	defer p.exit.Done()
	var round uint32
	for {
		round = p.await(worker, round)
		if p.closed.Load() {
			return
		}
		if p.enter() {
			p.work(worker)
			p.leave()
		}
	}
}

// await waits for a round after the given one and returns it.
func (p *pool) await(worker int, round uint32) uint32 {
	for range p.spins {
		if now := p.round.Load(); now != round {
			return now
		}
	}
	p.asleep[worker].Store(true)
	if p.round.Load() == round || !p.asleep[worker].CompareAndSwap(true, false) {
		<-p.wake[worker]
	}
	return p.round.Load()
}

// work takes jobs until none is left: those of the worker's share, then those of the others.
func (p *pool) work(worker int) {
	defer p.keepPanic()
	for i := range p.workers {
		s := &p.shares[(worker+i)%p.workers]
		for {
			job := s.next.Add(1) - 1
			if job >= s.end {
				break
			}
			p.task(worker, int(job))
		}
	}
}

// keepPanic keeps the panic of a job for the caller of run, and skips the jobs that have not begun.
func (p *pool) keepPanic() {
	r := recover()
	if r == nil {
		return
	}
	for w := range p.shares {
		p.shares[w].next.Store(p.shares[w].end)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failure == nil {
		p.failure = fmt.Errorf("%v\n\nin a job of the pool:\n%s", r, debug.Stack())
	}
}

// close stops the workers.
func (p *pool) close() {
	if p.closed.Swap(true) {
		return
	}
	p.start()
	p.exit.Wait()
}
