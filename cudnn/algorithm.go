//go:build cudnn && cgo && linux

package cudnn

// #include "launch.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// workspaceLimit is the largest workspace of an algorithm; more makes few of them faster. All
// convolutions share one workspace.
const workspaceLimit = 512 << 20

// choice is an algorithm of cuDNN.
type choice struct {
	algo, math C.lamina_enum
	bytes      int64  // of workspace
	words      string // as a table of choices has it
}

var passNames = [3]string{C.LAMINA_FORWARD: "forward", C.LAMINA_BACKWARD_DATA: "backward data", C.LAMINA_BACKWARD_FILTER: "backward filter"}

// choose returns the algorithm for a pass and reserves its workspace. It is the earlier choice for
// such a pass, of this backend or from its table, or the fastest.
func (b *Backend) choose(which C.int, plan *conv2D, p *pass) (choice, error) {
	name := b.passName(which, plan)
	if c, ok := b.chosen[name]; ok {
		return c, b.setMath(p, c.math)
	}
	c := choice{words: b.table[name]}
	known := !b.options.Deterministic && c.parse()
	if known {
		var err error
		if known, err = b.works(which, plan, p, &c); err != nil {
			return choice{}, err
		}
	}
	if !known {
		var err error
		if c, err = b.find(which, plan, p); err != nil {
			return choice{}, err
		}
	}
	if err := b.reserve(&b.memory.shared, c.bytes); err != nil {
		return choice{}, err
	}
	b.chosen[name] = c
	return c, nil
}

// find returns the fastest algorithm that may be taken.
func (b *Backend) find(which C.int, plan *conv2D, p *pass) (choice, error) {
	if err := b.setMath(p, b.math()); err != nil {
		return choice{}, err
	}
	var results [16]C.lamina_perf
	var n C.int
	measured, err := b.search(which, plan, p, &n, &results)
	if err != nil {
		return choice{}, fmt.Errorf("%w, in the search for the %s pass of %s", err, passNames[which], plan)
	}
	for _, r := range results[:n] {
		if r.status != C.LAMINA_CUDNN_STATUS_SUCCESS || b.options.Deterministic && r.determinism != C.LAMINA_CUDNN_DETERMINISTIC {
			continue
		}
		c := choice{algo: r.algo, math: r.mathType}
		if b.options.Precision == "fp32" {
			c.math = b.math() // the others may round
		}
		if works, err := b.works(which, plan, p, &c); err != nil {
			return choice{}, err
		} else if !works {
			continue
		}
		c.words = fmt.Sprintf(choiceFormat+", %d MiB of workspace", c.algo, c.math, mebibytes(c.bytes))
		if measured {
			c.words += fmt.Sprintf(", %.3f ms", r.time)
			b.measured[b.passName(which, plan)] = c.words
		}
		return c, nil
	}
	return choice{}, fmt.Errorf("cudnn: cuDNN %s has no algorithm for the %s pass of %s in %s (deterministic: %t)",
		b.version(), passNames[which], plan, b.options.Precision, b.options.Deterministic)
}

// works reports whether an algorithm computes a pass within the workspace limit, and sets up the
// pass for it. It runs the pass once: cuDNN also lists algorithms that then fail
// (github.com/NVIDIA/cudnn-frontend/issues/16). Without memory for that it believes cuDNN.
func (b *Backend) works(which C.int, plan *conv2D, p *pass, c *choice) (bool, error) {
	if b.setMath(p, c.math) != nil {
		return false, nil
	}
	var bytes C.size_t
	status := C.lamina_workspace(b.api, which, &p.c, c.algo, &bytes)
	c.bytes = int64(bytes)
	if status != C.LAMINA_CUDNN_STATUS_SUCCESS || c.bytes > workspaceLimit {
		return false, nil
	}
	trial, free, err := b.borrow(plan, p, c.bytes)
	if _, full := errors.AsType[*MemoryError](err); full {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer free()
	status = C.lamina_convolve(b.api, which, &trial, c.algo)
	return status == C.LAMINA_CUDNN_STATUS_SUCCESS, b.synchronize()
}

// search lists the algorithms of a pass, best first. They are measured, or, if the choice must be
// deterministic or there is not enough memory to measure, in the order that cuDNN expects.
func (b *Backend) search(which C.int, plan *conv2D, p *pass, n *C.int, results *[16]C.lamina_perf) (
	measured bool, err error) {
	if !b.options.Deterministic {
		err := b.measure(which, plan, p, n, results)
		if _, full := errors.AsType[*MemoryError](err); !full {
			return true, err
		}
	}
	return false, b.dnn("cudnnGetConvolution…Algorithm_v7", C.lamina_guess(b.api, which, &p.c, C.int(len(results)), n, &results[0]))
}

// The first search of a process lasts warmUp at least: an idle card has a low clock, which takes
// some tenths of a second to rise.
const warmUp = 200 * time.Millisecond

var warm atomic.Bool

// measure runs all algorithms on memory of its own. It does so twice, as libraries load their
// kernels at the first.
func (b *Backend) measure(which C.int, plan *conv2D, p *pass, n *C.int, results *[16]C.lamina_perf) error {
	c, free, err := b.borrow(plan, p, workspaceLimit)
	if err != nil {
		return err
	}
	defer free()
	if err := b.synchronize(); err != nil { // it would measure pending work, too
		return err
	}
	begin := time.Now()
	for again := true; ; {
		err := b.dnn("cudnnFindConvolution…AlgorithmEx", C.lamina_find(b.api, which, &c, C.int(len(results)), n, &results[0]))
		if err != nil || !again {
			return err
		}
		again = !warm.Load() && time.Since(begin) < warmUp
		warm.Store(!again)
	}
}

// borrow returns a pass whose tensors are memory of its own, filled with noise, and a workspace.
// free gives the memory back.
func (b *Backend) borrow(plan *conv2D, p *pass, workspace int64) (c C.lamina_convolution, free func(), err error) {
	c, c.bytes = p.c, C.size_t(workspace)
	var taken []C.CUdeviceptr
	free = func() {
		for _, at := range taken {
			b.giveBack(at)
		}
	}
	for _, m := range []struct {
		at    *C.CUdeviceptr
		bytes int64
	}{
		{&c.x, b.bytes(plan.x.dnn.Size())}, {&c.y, b.bytes(plan.y.dnn.Size())},
		{&c.w, b.bytes(plan.kernelSize())}, {&c.workspace, workspace},
	} {
		if *m.at, err = b.take(m.bytes); err != nil {
			free()
			return c, nil, err
		}
		taken = append(taken, *m.at)
		if m.at != &c.workspace {
			b.fillWithNoise(*m.at, m.bytes)
		}
	}
	if b.err != nil {
		free()
		return c, nil, b.err
	}
	return c, free, nil
}

// noise is a MiB of normally distributed activations, float32 and bfloat16. Zeros, which new memory
// mostly holds, would not do for measurements: a card is faster on them.
var noise = sync.OnceValues(func() (float32s, bfloat16s []byte) {
	const size = 1 << 20
	rng := rand.New(rand.NewPCG(1, 2))
	wide, narrow := make([]float32, size/4), make([]uint16, size/2)
	for i := range wide {
		wide[i] = float32(rng.NormFloat64())
	}
	for i := range narrow {
		narrow[i] = uint16(math.Float32bits(wide[i%len(wide)]) >> 16)
	}
	return bytesOf(wide), bytesOf(narrow)
})

// fillWithNoise fills memory with activations: a little from the host, then copies of that.
func (b *Backend) fillWithNoise(at C.CUdeviceptr, bytes int64) {
	first, bfloat16s := noise()
	if b.bf16 {
		first = bfloat16s
	}
	first = first[:min(bytes, int64(len(first)))]
	b.upload(at, first)
	for done := int64(len(first)); done < bytes && b.err == nil; done *= 2 {
		b.fail(cuda(b, "cuMemcpyDtoDAsync", C.lamina_cuMemcpyDtoDAsync_v2(b.api, at+C.CUdeviceptr(done), at,
			C.size_t(min(done, bytes-done)), b.stream)))
	}
}

// math returns the kind of arithmetic of the precision.
func (b *Backend) math() C.lamina_enum {
	switch {
	case b.bf16:
		return C.LAMINA_CUDNN_TENSOR_OP_MATH
	case b.options.Precision == "fp32" && C.lamina_cudnnGetVersion(b.api) >= 8000:
		return C.LAMINA_CUDNN_FMA_MATH // from Ampere on the default is TF32
	}
	return C.LAMINA_CUDNN_DEFAULT_MATH
}

func (b *Backend) setMath(p *pass, math C.lamina_enum) error {
	return b.dnn("cudnnSetConvolutionMathType", C.lamina_cudnnSetConvolutionMathType(b.api, p.c.convolution, math))
}
