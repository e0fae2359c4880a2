//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/lamina-go/lamina/backend"
)

const errMetrics = "cudnn: Metrics was not called for too many runs"

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

// state is what changes from step to step, and what the steps measure: on the card, and for the host a copy for
// each run until Metrics.
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

// Run puts a step on the stream. The second time in succession that a key comes its launches are recorded, and
// from then on they are replayed, which costs the host almost nothing; what comes now and then, as the last and
// smaller batch of an epoch, is launched one by one.
func (b *Backend) Run(key string, v backend.StepValues, f func()) error {
	if b.pending == backend.MaxPending {
		panic(errMetrics)
	}
	if b.err != nil {
		return b.err
	}
	leave := b.enter()
	defer leave()
	s := &b.state.states[b.pending]
	*s = stepState{v.Step, v.LearningRate, uint32(b.pending)}
	b.fail(cuda(b, "cuMemcpyHtoDAsync", C.lamina_cuMemcpyHtoDAsync_v2(b.api, b.state.card, unsafe.Pointer(s), C.size_t(stateSize), b.stream)))
	if b.err != nil {
		return b.err
	}
	if b.graphs[key] == nil && key == b.last && !b.oneByOne {
		b.record(key, f)
	}
	if graph := b.graphs[key]; graph != nil {
		b.fail(cuda(b, "cuGraphLaunch", C.lamina_cuGraphLaunch(b.api, graph, b.stream)))
	} else {
		b.step(f)
	}
	b.last = key
	b.pending++
	return b.err
}

// step puts the launches of a step on the stream.
func (b *Backend) step(f func()) {
	b.launch("step_begin", [3]uint32{1, 1, 1}, [3]uint32{1, 1, 1}, pointer(b.state.metrics), pointer(b.state.card))
	f()
}

// record makes a graph of a step. If that is refused, all steps are launched one by one from then on: what is
// wrong with the card itself is seen then too.
func (b *Backend) record(key string, f func()) {
	graph, err := b.capture(f)
	if err == nil {
		b.graphs[key] = graph
		return
	}
	b.oneByOne = true
	if b.options.Note != nil {
		b.options.Note(fmt.Sprintf("steps are launched one by one, which may be slower, since they cannot be recorded: %v", err))
	}
}

// capture returns the launches of a step, none of which it runs.
func (b *Backend) capture(f func()) (exec C.CUgraphExec, err error) {
	err = cuda(b, "cuStreamBeginCapture", C.lamina_cuStreamBeginCapture_v2(b.api, b.stream, C.LAMINA_CU_STREAM_CAPTURE_MODE_RELAXED))
	if err != nil {
		return nil, err
	}
	var graph C.CUgraph
	func() {
		defer func() { // if f panics too
			err = cuda(b, "cuStreamEndCapture", C.lamina_cuStreamEndCapture(b.api, b.stream, &graph))
		}()
		b.step(f)
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

// forgetGraphs frees the recorded steps. They are recorded again when they come again.
func (b *Backend) forgetGraphs() {
	for _, g := range b.graphs {
		C.lamina_cuGraphExecDestroy(b.api, g)
	}
	clear(b.graphs)
	b.last = ""
}

// Metrics appends what the runs since the last call measured, after waiting for them.
func (b *Backend) Metrics(dst []backend.StepMetrics) ([]backend.StepMetrics, error) {
	leave := b.enter()
	defer leave()
	if b.pending > 0 && b.err == nil {
		b.fail(cuda(b, "cuMemcpyDtoHAsync", C.lamina_cuMemcpyDtoHAsync_v2(b.api, b.state.copied, b.state.metrics, C.size_t(metricsSize*b.pending), b.stream)))
		b.fail(b.synchronize())
	}
	if b.err == nil {
		for _, m := range b.state.measured[:b.pending] {
			dst = append(dst, backend.StepMetrics{Images: int(m.images), Loss: m.loss, Correct: int(m.correct), Penalty: m.penalty})
		}
	}
	b.pending = 0
	return dst, b.err
}

// elapsed returns the milliseconds from the start of f to the end of what it put on the stream, as the card counts them.
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
