// Package cpu is the engine for the processor. It owns the memory and the workers, and its plans
// divide the kernels of package ops among the workers.
//
// # How a plan works
//
// A constructor checks its spec, reserves the scratch memory that each worker needs
// (Backend.reserve), and allocates what the plan keeps (Backend.floats). It stores the plan's tasks
// as func(worker, job int) values, so that a step allocates nothing:
//
//	p.forwardTask = p.forwardJob
//
// A method of the plan takes the elements of its tensors, after checking the shapes: input for
// what it reads, output for what it writes. It stores them in fields and calls
// b.pool.run(jobs, p.forwardTask). Any worker may take any job, in any order.
//
// So a job writes only its own results. A sum over jobs is kept as one partial sum per job; they
// are added in order afterwards. How many elements a partial sum has must not depend on the number
// of workers; how many results a job computes may. Then the results have the same bits for any
// number of workers. In a job, b.scratch(worker) is memory of the worker, undefined at the start of
// the job.
//
// # Scopes
//
// A Backend is a scope: tensors, memory that plans keep, and steps. All scopes of a processor share
// one machine: the workers, the scratch memory, the options and the lock.
package cpu

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
)

const errMetrics = "cpu: too many runs of a step since its last Metrics"

// Options choose how a Backend works.
type Options struct {
	Threads int       // workers; 0 means one for each core that the process may use
	Level   ops.Level // of the kernels, one of ops.Levels; 0 means ops.Best
	BF16    bool      // activations and factors of products are bfloat16, weights and sums float32
	Conv    string    // algorithm of the convolutions, one of ConvAlgorithms; "" means "auto"
	Table   ConvTable // of "auto": what was measured on this machine, or chosen before
}

// Backend is the processor as a backend.Backend, or a scope of it. Its results do not depend on the
// number of threads.
type Backend struct {
	*machine
	opened bool // by Open: its Close ends the machine
	closed bool
	memory arena
}

// Open makes a backend with the given options. Close it to stop its workers and free
// its memory.
func Open(o Options) (*Backend, error) {
	if o.Threads < 0 {
		return nil, fmt.Errorf("cpu: %d threads: want 1 or more, or 0 for all cores", o.Threads)
	}
	if o.Level == 0 {
		best, err := ops.Best()
		if err != nil {
			return nil, err
		}
		o.Level = best
	}
	if !slices.Contains(ops.Levels(), o.Level) {
		return nil, fmt.Errorf("cpu: this machine or build has no kernels of level %v", o.Level)
	}
	if err := cmp.Or(checkConvAlgorithm(o.Conv), o.Table.Check()); err != nil {
		return nil, err
	}
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	chosen := ConvTable{}
	maps.Copy(chosen, o.Table)
	m := &machine{
		level:  o.Level,
		bf16:   o.BF16,
		conv:   cmp.Or(o.Conv, automatic),
		table:  o.Table,
		chosen: chosen,
		pool:   newPool(threads, defaultSpins),
		scopes: map[*Backend]struct{}{},
	}
	b := m.scope()
	b.opened = true
	m.writeTask = b.writeJob
	return b, nil
}

func (m *machine) scope() *Backend {
	b := &Backend{machine: m, closed: m.pool.closed.Load()}
	m.scopes[b] = struct{}{}
	return b
}

// Scope returns a backend with the same workers, whose Close frees only its own memory.
func (b *Backend) Scope() backend.Backend { return b.machine.scope() }

// Name returns "cpu/" and the level of the kernels.
func (b *Backend) Name() string { return "cpu/" + b.level.String() }

// step is a backend.Step that calls its function in each Run.
type step struct {
	b       *Backend
	f       func()
	pending []backend.StepMetrics // not yet taken by Metrics
}

// Record returns a Step that calls f in each Run.
func (b *Backend) Record(f func()) backend.Step {
	return &step{b, f, make([]backend.StepMetrics, 0, backend.MaxPending)}
}

// Run calls the step's function. When it returns the step is done.
func (s *step) Run(v backend.StepValues) error {
	if s.b.closed {
		return errClosed
	}
	if len(s.pending) == backend.MaxPending {
		panic(errMetrics)
	}
	s.b.values, s.b.current = v, backend.StepMetrics{}
	s.f()
	s.pending = append(s.pending, s.b.current)
	return nil
}

// Metrics appends what the runs since the last call measured.
func (s *step) Metrics(dst []backend.StepMetrics) ([]backend.StepMetrics, error) {
	dst = append(dst, s.pending...)
	s.pending = s.pending[:0]
	return dst, nil
}

// Close frees the memory. That of the backend that Open returned closes all scopes and stops the
// workers.
func (b *Backend) Close() error {
	b.Lock()
	defer b.Unlock()
	if !b.opened {
		b.release()
		return nil
	}
	for scope := range b.scopes {
		scope.release()
	}
	b.pool.close()
	b.work.free()
	b.common.free()
	return nil
}

// release frees what this scope has made. Releasing it again does nothing.
func (b *Backend) release() {
	b.closed = true
	delete(b.scopes, b)
	b.memory.free()
}
