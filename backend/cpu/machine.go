package cpu

import (
	"errors"
	"fmt"
	"sync"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/freemem"
	"github.com/lamina-go/lamina/ops"
)

var errClosed = errors.New("cpu: the backend is closed")

// machine is what a backend and its scopes share: the workers, their scratch memory and the
// options. Its lock is that of the backend.
type machine struct {
	sync.Mutex
	level   ops.Level
	bf16    bool   // Options.BF16
	conv    string // one of ConvAlgorithms
	table   ConvTable
	chosen  ConvTable // table, and what the plans so far have got
	pool    *pool
	scopes  map[*Backend]struct{} // all that are open
	limit   int                   // bytes that the system had available at the first allocation; 0 before
	work    scratch               // of each worker
	common  scratch               // one for all: packed kernels, partial gradients
	values  backend.StepValues    // of the step that runs
	current backend.StepMetrics   // of the step that runs

	written   written // by the Write that runs
	writeTask func(worker, job int)
}

// floats returns n zeros that stay until Close, aligned to 64 bytes.
func (b *Backend) floats(n int) ([]float32, error) {
	if err := b.available(n); err != nil {
		return nil, err
	}
	return b.memory.alloc(n)
}

// available returns an error if n more floats do not fit into the memory that the system had at the
// first call. The system might hand them out all the same, and kill the program when it uses them.
func (b *Backend) available(n int) error {
	if b.closed {
		return errClosed
	}
	if b.limit == 0 {
		b.limit = freemem.Available("/")
	}
	if free := max(0, b.limit-b.Bytes()); n > free/4 {
		return fmt.Errorf("cpu: %w: %d MiB more are needed, %d MiB are free", backend.ErrMemory, n>>18, free>>20)
	}
	return nil
}

// reserve makes every worker's scratch at least n floats long. Constructors of plans call it; it
// must not be called while jobs run.
func (b *Backend) reserve(n int) error { return b.grow(&b.work, b.pool.workers, n) }

// scratch returns the scratch of a worker, aligned to 64 bytes, at least as long as any plan
// reserved. Call it in each job: a later reserve moves the memory.
func (b *Backend) scratch(worker int) []float32 { return b.work.of(worker) }

// reserveCommon makes the memory that all workers share during a plan's method, Write or Read at
// least n floats long.
func (b *Backend) reserveCommon(n int) error { return b.grow(&b.common, 1, n) }

func (b *Backend) grow(s *scratch, workers, n int) error {
	if b.closed {
		return errClosed
	}
	if n <= s.size {
		return nil
	}
	if err := b.available(workers * n); err != nil {
		return err
	}
	return s.reserve(workers, n)
}

// Bytes returns the size of the tensors and plans of this backend and all its scopes, and of their
// scratch memory.
func (b *Backend) Bytes() int {
	sum := 4 * (len(b.work.memory.floats) + len(b.common.memory.floats))
	for scope := range b.scopes {
		sum += scope.memory.bytes()
	}
	return sum
}
