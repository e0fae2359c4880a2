//go:build cudnn && cgo && linux

package cudnn

// #include <stdlib.h>
// #include "load.h"
import "C"

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/lamina-go/lamina/backend"
)

// Options choose how a Backend works.
type Options struct {
	// Precision is "fp32", "tf32" (factors of products have 11 significant bits) or "bf16" (factors
	// and activations have 8). The last two need a card from Ampere on. "" means fp32.
	Precision string
	// Deterministic allows only algorithms that give the same bits every time, and chooses without
	// measuring.
	Deterministic bool
	// Table has algorithms of convolutions, from Backend.ConvTable. It has precedence over the
	// user's cache folder and over measuring. Deterministic ignores it.
	Table map[string]string
	// Note, if not nil, receives a line for the user when something works less well than it should.
	Note func(line string)
}

// Precisions lists what Options.Precision can be.
func Precisions() []string { return []string{"fp32", "tf32", "bf16"} }

// Backend is a card as a backend.Backend, or a scope of one.
type Backend struct {
	*session
	opened bool // by Open: its Close ends the session
	closed bool
	blocks []C.CUdeviceptr // memory on the card
	free   []func()        // what plans own on the side of the libraries
	steps  []*step
}

// session is what a backend and its scopes share: the card, the libraries, scratch memory and the
// options. Its lock is that of the backend.
type session struct {
	sync.Mutex
	options Options
	api     *C.lamina_api // in memory of C; nil when the session has ended
	device  C.CUdevice
	card    card
	bf16    bool
	scopes  map[*Backend]struct{} // all that are open

	context C.CUcontext
	stream  C.CUstream
	cublas  C.cublasHandle_t
	cudnn   C.cudnnHandle_t
	kernels kernels
	memory  memory
	staging staging

	// Of convolutions, by passName: the table to choose from, what was chosen, and what was
	// measured for that.
	table, measured map[string]string
	chosen          map[string]choice

	inStep    bool        // the function of a step is running
	weights   []packed    // in that step
	postponed []postponed // in that step

	oneByOne bool    // steps cannot be recorded
	pending  []*step // of each run whose metrics are on the card
	state    state
	err      error // the first failure; nothing is launched after it
}

var errClosed = errors.New("cudnn: the backend is closed")

// Open opens the first card, or the first in CUDA_VISIBLE_DEVICES. Its error says what is missing
// and how to get it.
func Open(o Options) (*Backend, error) { return openAt(o, locations()) }

// openAt opens the libraries from the given locations.
func openAt(o Options, locations []location) (*Backend, error) {
	o.Precision = cmp.Or(o.Precision, "fp32")
	if !slices.Contains(Precisions(), o.Precision) {
		return nil, fmt.Errorf("cudnn: precision %q is none of %v", o.Precision, Precisions())
	}
	b := newBackend(o)
	maps.Copy(b.table, o.Table)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := b.open(locations); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// newBackend makes a backend without a card.
func newBackend(o Options) *Backend {
	b := (&session{
		options: o, bf16: o.Precision == "bf16", api: (*C.lamina_api)(C.calloc(1, C.sizeof_lamina_api)),
		table: readTable(), measured: map[string]string{}, chosen: map[string]choice{}, scopes: map[*Backend]struct{}{},
	}).scope()
	b.opened = true
	return b
}

func (s *session) scope() *Backend {
	b := &Backend{session: s, closed: s.api == nil}
	s.scopes[b] = struct{}{}
	return b
}

// Scope returns a backend of the same card, whose Close frees only what it has made.
func (b *Backend) Scope() backend.Backend { return b.session.scope() }

func (b *Backend) open(locations []location) error {
	if _, err := libcuda.load(b.api, locations, 0); err != nil {
		return err
	}
	if err := b.findCard(); err != nil {
		return err
	}
	path, err := libnvrtc.load(b.api, locations, b.card.cuda)
	if err != nil {
		return err
	}
	if _, err := libcublas.load(b.api, locations, b.card.cuda); err != nil {
		return err
	}
	library, err := libcudnn.load(b.api, locations, b.card.cuda)
	if err != nil {
		return err
	}
	if err := b.checkVersion(library); err != nil {
		return err
	}
	if err := cuda(b, "cuDevicePrimaryCtxRetain", C.lamina_cuDevicePrimaryCtxRetain(b.api, &b.context, b.device)); err != nil {
		return err
	}
	leave := b.enter()
	defer leave()
	if err := cuda(b, "cuStreamCreate", C.lamina_cuStreamCreate(b.api, &b.stream, C.LAMINA_CU_STREAM_NON_BLOCKING)); err != nil {
		return err
	}
	if err := b.kernels.load(b, path); err != nil {
		return err
	}
	if err := b.openProducts(); err != nil {
		return err
	}
	if err := b.openCuDNN(); err != nil {
		return err
	}
	if err := b.staging.open(b); err != nil {
		return err
	}
	return b.state.open(b)
}

// openCuDNN makes cuDNN ready.
func (b *Backend) openCuDNN() error {
	if err := b.dnn("cudnnCreate", C.lamina_cudnnCreate(b.api, &b.cudnn)); err != nil {
		return err
	}
	return b.dnn("cudnnSetStream", C.lamina_cudnnSetStream(b.api, b.cudnn, b.stream))
}

// Name returns "cudnn/" and the card's name.
func (b *Backend) Name() string { return "cudnn/" + b.card.name }

// InferenceBatch returns all images: small batches leave a card idle.
func (b *Backend) InferenceBatch(s backend.InferenceSpec) int { return s.N }

// enter makes the card's context current on the calling thread, and keeps the goroutine on that
// thread until leave. All methods that call the libraries do so, as goroutines migrate between
// threads.
func (b *Backend) enter() (leave func()) {
	runtime.LockOSThread()
	if b.api != nil {
		b.fail(cuda(b, "cuCtxSetCurrent", C.lamina_cuCtxSetCurrent(b.api, b.context)))
	}
	return runtime.UnlockOSThread
}

// fail keeps the first error.
func (b *Backend) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// failed returns the error of any further use, nil if there is none.
func (b *Backend) failed() error {
	if b.closed {
		return errClosed
	}
	return b.err
}

// failure returns the error of a call, or nil. It must follow the call on the same thread, where
// the library keeps the reason.
func (b *Backend) failure(library C.int, call string, status C.lamina_enum) error {
	if status == 0 {
		return nil
	}
	err := fmt.Errorf("cudnn: %s failed: %s (%d)", call, C.GoString(C.lamina_error(b.api, library, status)), status)
	var reason [1024]C.char
	C.lamina_reason(b.api, library, &reason[0], C.size_t(len(reason)))
	if words := strings.Fields(C.GoString(&reason[0])); len(words) > 0 { // on one line
		err = fmt.Errorf("%w: %s", err, strings.Join(words, " "))
	}
	return err
}

func cuda(b *Backend, call string, status C.lamina_enum) error {
	return b.failure(C.LAMINA_CUDA, call, status)
}

func (b *Backend) dnn(call string, status C.lamina_enum) error {
	return b.failure(C.LAMINA_CUDNN, call, status)
}

func (b *Backend) blas(call string, status C.lamina_enum) error {
	return b.failure(C.LAMINA_CUBLAS, call, status)
}

// Close frees what this scope made. Close of the backend that Open made frees everything, also
// after a failed open, but for the card's primary context. That stays for the life of the process:
// cuBLAS and cuDNN remember it, and to make it takes some tenths of a second.
func (b *Backend) Close() error {
	b.Lock()
	defer b.Unlock()
	if b.closed {
		return nil
	}
	if b.opened {
		return b.end()
	}
	leave := b.enter()
	defer leave()
	err := b.finish()
	b.release()
	return err
}

// finish waits for the card. It returns no error if the card has failed before.
func (b *Backend) finish() error {
	if err := b.synchronize(); b.err == nil {
		return err
	}
	return nil
}

// release frees what this scope made.
func (b *Backend) release() {
	b.forgetGraphs()
	for _, f := range b.free {
		f()
	}
	for _, at := range b.blocks {
		b.giveBack(at)
	}
	delete(b.scopes, b)
	*b = Backend{session: b.session, opened: b.opened, closed: true}
}

// end frees everything and ends the session.
func (b *Backend) end() error {
	defer func() {
		C.free(unsafe.Pointer(b.api))
		b.api = nil
		b.fail(errClosed)
	}()
	if b.context == nil {
		b.release()
		return nil
	}
	leave := b.enter()
	defer leave()
	var err error
	if b.stream != nil {
		err = b.finish()
	}
	for scope := range b.scopes {
		scope.release()
	}
	b.staging.close(b)
	b.state.close(b)
	b.memory.close(b)
	b.kernels.close(b)
	if b.cudnn != nil {
		C.lamina_cudnnDestroy(b.api, b.cudnn)
	}
	if b.cublas != nil {
		C.lamina_cublasDestroy_v2(b.api, b.cublas)
	}
	if b.stream != nil {
		C.lamina_cuStreamDestroy_v2(b.api, b.stream)
	}
	C.lamina_cuCtxSetCurrent(b.api, nil)
	return err
}

var _ backend.Backend = (*Backend)(nil)

// mebibytes rounds up.
func mebibytes(bytes int64) int64 { return int64(math.Ceil(float64(bytes) / (1 << 20))) }
