//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/lamina-go/lamina/backend"
)

const errMetrics = "cudnn: too many runs of a step since its last Metrics"

// stepState and stepMetrics are StepState and StepMetrics of kernels/common.cu.
type (
	stepState struct {
		step uint64
		rate float32
		slot uint32
	}
	stepMetrics struct {
		loss, penalty   float64
		images, correct int32
	}
)

const (
	stateSize   = int(unsafe.Sizeof(stepState{}))
	metricsSize = int(unsafe.Sizeof(stepMetrics{}))
)

// state is what changes from step to step, and the metrics: on the card, and on the host a copy for
// each run until its metrics are fetched.
type state struct {
	card, metrics  C.CUdeviceptr // one state, and a list of metrics
	memory, copied unsafe.Pointer
	states         []stepState
	measured       []stepMetrics
}

func (s *state) open(b *Backend) (err error) {
	if s.card, err = b.alloc(int64(stateSize)); err != nil {
		return err
	}
	if s.metrics, err = b.alloc(int64(metricsSize * backend.MaxPending)); err != nil {
		return err
	}
	host := func(size int) (memory unsafe.Pointer) {
		if err == nil {
			err = cuda(b, "cuMemHostAlloc", C.lamina_cuMemHostAlloc(b.api, &memory, C.size_t(size*backend.MaxPending), 0))
		}
		return memory
	}
	s.memory, s.copied = host(stateSize), host(metricsSize)
	if err == nil {
		s.states = unsafe.Slice((*stepState)(s.memory), backend.MaxPending)
		s.measured = unsafe.Slice((*stepMetrics)(s.copied), backend.MaxPending)
	}
	return err
}

func (s *state) close(b *Backend) {
	for _, memory := range []unsafe.Pointer{s.memory, s.copied} {
		if memory != nil {
			C.lamina_cuMemFreeHost(b.api, memory)
		}
	}
	*s = state{}
}

// step is a backend.Step.
type step struct {
	b        *Backend
	f        func()
	launched bool                  // it has run, so libraries have loaded its kernels
	graph    C.CUgraphExec         // nil until it is recorded
	pending  int                   // runs since Metrics
	measured []backend.StepMetrics // of those runs, as far as fetched
}

// Record returns a Step. Its first Run launches the kernels one by one: libraries load some of them
// then, which is not allowed during recording. The second Run records a graph. It and all later
// runs replay the graph, at almost no cost to the host.
func (b *Backend) Record(f func()) backend.Step {
	s := &step{b: b, f: f}
	b.steps = append(b.steps, s)
	return s
}

// Run enqueues the step.
func (s *step) Run(v backend.StepValues) error {
	if s.pending == backend.MaxPending {
		panic(errMetrics)
	}
	b := s.b
	if err := b.failed(); err != nil {
		return err
	}
	leave := b.enter()
	defer leave()
	if len(b.pending) == backend.MaxPending {
		b.fetchMetrics()
	}
	slot := len(b.pending)
	state := &b.state.states[slot]
	*state = stepState{v.Step, v.LearningRate, uint32(slot)}
	b.fail(cuda(b, "cuMemcpyHtoDAsync", C.lamina_cuMemcpyHtoDAsync_v2(b.api, b.state.card, unsafe.Pointer(state), C.size_t(stateSize), b.stream)))
	if b.err != nil {
		return b.err
	}
	if s.graph == nil && s.launched && !b.oneByOne {
		s.record()
	}
	if s.graph != nil {
		b.fail(cuda(b, "cuGraphLaunch", C.lamina_cuGraphLaunch(b.api, s.graph, b.stream)))
	} else {
		s.launch()
	}
	s.launched = true
	s.pending++
	b.pending = append(b.pending, s)
	return b.err
}

// launch enqueues the launches of the step.
func (s *step) launch() {
	b := s.b
	b.launch("step_begin", [3]uint32{1, 1, 1}, [3]uint32{1, 1, 1}, pointer(b.state.metrics), pointer(b.state.card))
	b.inStep = true
	defer func() { b.inStep, b.weights, b.postponed = false, b.weights[:0], b.postponed[:0] }() // if f panics, too
	s.f()
	b.addPostponed()
}

// record makes a graph of the step. If that fails, all steps are launched one by one from then on;
// an error of the card itself then shows.
func (s *step) record() {
	b := s.b
	graph, err := s.capture()
	if err == nil {
		s.graph = graph
		return
	}
	b.oneByOne = true
	if b.options.Note != nil {
		b.options.Note(fmt.Sprintf("steps are launched one by one, which may be slower, since they cannot be recorded: %v",
			err))
	}
}

// capture returns a graph of the launches of the step, none of which it runs.
func (s *step) capture() (exec C.CUgraphExec, err error) {
	b := s.b
	err = cuda(b, "cuStreamBeginCapture", C.lamina_cuStreamBeginCapture_v2(b.api, b.stream, C.LAMINA_CU_STREAM_CAPTURE_MODE_RELAXED))
	if err != nil {
		return nil, err
	}
	var graph C.CUgraph
	func() {
		defer func() { // if f panics too
			err = cuda(b, "cuStreamEndCapture", C.lamina_cuStreamEndCapture(b.api, b.stream, &graph))
		}()
		s.launch()
	}()
	if graph != nil {
		defer C.lamina_cuGraphDestroy(b.api, graph)
	}
	if b.err != nil {
		err, b.err = b.err, nil
	}
	if err != nil {
		return nil, err
	}
	status := C.lamina_cuGraphInstantiateWithFlags(b.api, &exec, graph, 0)
	if status == C.LAMINA_MISSING {
		status = C.lamina_cuGraphInstantiate(b.api, &exec, graph, nil, nil, 0)
	}
	return exec, cuda(b, "cuGraphInstantiate", status)
}

// forgetGraphs frees the graphs of this scope's steps. Each is recorded again when it runs again.
func (b *Backend) forgetGraphs() {
	for _, s := range b.steps {
		if s.graph != nil {
			C.lamina_cuGraphExecDestroy(b.api, s.graph)
			s.graph = nil
		}
	}
}

// fetchMetrics waits for all runs and gives each step what they measured.
func (b *Backend) fetchMetrics() {
	if b.err == nil {
		b.fail(cuda(b, "cuMemcpyDtoHAsync", C.lamina_cuMemcpyDtoHAsync_v2(b.api, b.state.copied, b.state.metrics, C.size_t(metricsSize*len(b.pending)), b.stream)))
		b.fail(b.synchronize())
	}
	for i, s := range b.pending {
		m := &b.state.measured[i]
		s.measured = append(s.measured, backend.StepMetrics{Images: int(m.images), Loss: m.loss, Correct: int(m.correct), Penalty: m.penalty})
	}
	b.pending = b.pending[:0]
}

// Metrics appends what the runs since the last call measured, after waiting for them.
func (s *step) Metrics(dst []backend.StepMetrics) ([]backend.StepMetrics, error) {
	b := s.b
	if b.closed {
		return dst, errClosed
	}
	leave := b.enter()
	defer leave()
	if len(s.measured) < s.pending {
		b.fetchMetrics()
	}
	if b.err == nil {
		dst = append(dst, s.measured...)
	}
	s.measured, s.pending = s.measured[:0], 0
	return dst, b.err
}

// elapsed returns the milliseconds from the start of f to the end of what it put on the stream, as
// the card counts them.
func (b *Backend) elapsed(f func() error) (milliseconds float32, err error) {
	leave := b.enter()
	defer leave()
	var ends [2]C.CUevent
	for i := range ends {
		if err := cuda(b, "cuEventCreate", C.lamina_cuEventCreate(b.api, &ends[i], 0)); err != nil {
			return 0, err
		}
		defer C.lamina_cuEventDestroy_v2(b.api, ends[i])
		if i == 1 {
			if err := f(); err != nil {
				return 0, err
			}
		}
		if err := cuda(b, "cuEventRecord", C.lamina_cuEventRecord(b.api, ends[i], b.stream)); err != nil {
			return 0, err
		}
	}
	if err := b.synchronize(); err != nil {
		return 0, err
	}
	var ms C.float
	err = cuda(b, "cuEventElapsedTime", C.lamina_cuEventElapsedTime(b.api, &ms, ends[0], ends[1]))
	return float32(ms), err
}
