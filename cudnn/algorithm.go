//go:build cudnn && cgo && linux

package cudnn

// #include "launch.h"
import "C"

import (
	"errors"
	"fmt"
)

// workspaceLimit is what an algorithm may use of the card's memory: more makes few of them faster. All
// convolutions share one workspace.
const workspaceLimit = 512 << 20

// search is a pass of a convolution of some shape; which algorithm is best for it is found once.
type search struct {
	pass                     C.int
	n, h, w, in, out, kernel int
}

// choice is an algorithm of cuDNN.
type choice struct {
	algo, math C.lamina_enum
	bytes      int64   // of workspace
	time       float32 // in milliseconds, as measured; -1 where it was not
}

var passNames = [3]string{C.LAMINA_FORWARD: "forward", C.LAMINA_BACKWARD_DATA: "backward data", C.LAMINA_BACKWARD_FILTER: "backward filter"}

// choose returns the fastest algorithm for a pass, and makes room for its workspace.
func (b *Backend) choose(which C.int, plan *conv2D, p *pass) (choice, error) {
	s := plan.spec
	key := search{which, s.N, s.H, s.W, s.In, s.Out, s.Kernel}
	if found, ok := b.chosen[key]; ok {
		return found, b.setMath(p, found.math)
	}
	if err := b.setMath(p, b.math()); err != nil {
		return choice{}, err
	}
	var results [16]C.lamina_perf
	var n C.int
	if err := b.search(which, plan, p, &n, &results); err != nil {
		return choice{}, fmt.Errorf("%w, in the search for the %s pass of %s", err, passNames[which], plan)
	}
	for _, r := range results[:n] {
		if r.status != C.LAMINA_CUDNN_STATUS_SUCCESS || int64(r.memory) > workspaceLimit ||
			b.options.Deterministic && r.determinism != C.LAMINA_CUDNN_DETERMINISTIC {
			continue
		}
		c := choice{algo: r.algo, math: r.mathType, time: float32(r.time)}
		if b.options.Precision == "fp32" {
			c.math = b.math() // the others may round
		}
		if err := b.setMath(p, c.math); err != nil {
			return choice{}, err
		}
		var bytes C.size_t
		if C.lamina_workspace(b.api, which, &p.c, c.algo, &bytes) != C.LAMINA_CUDNN_STATUS_SUCCESS || int64(bytes) > workspaceLimit {
			continue
		}
		c.bytes = int64(bytes)
		if err := b.reserve(&b.memory.shared, c.bytes); err != nil {
			return choice{}, err
		}
		b.chosen[key] = c
		b.note(which, plan, c)
		return c, nil
	}
	return choice{}, fmt.Errorf("cudnn: cuDNN %s has no algorithm for the %s pass of %s in %s (deterministic: %t)",
		versionName(int(C.lamina_cudnnGetVersion(b.api))), passNames[which], plan, b.options.Precision, b.options.Deterministic)
}

// search lists the algorithms of a pass, best first: measured, or, where the choice must be the same every time
// or memory does not suffice to measure, as cuDNN expects them.
func (b *Backend) search(which C.int, plan *conv2D, p *pass, n *C.int, results *[16]C.lamina_perf) error {
	if !b.options.Deterministic {
		err := b.measure(which, plan, p, n, results)
		if _, full := errors.AsType[*MemoryError](err); !full {
			return err
		}
	}
	return b.dnn("cudnnGetConvolution…Algorithm_v7", C.lamina_guess(b.api, which, &p.c, C.int(len(results)), n, &results[0]))
}

// measure runs all algorithms on memory of its own, of any contents.
func (b *Backend) measure(which C.int, plan *conv2D, p *pass, n *C.int, results *[16]C.lamina_perf) error {
	c := p.c
	for _, m := range []struct {
		at    *C.CUdeviceptr
		bytes int64
	}{
		{&c.x, b.bytes(plan.x.Size())}, {&c.y, b.bytes(plan.y.Size())},
		{&c.w, b.bytes(plan.kernel.Size())}, {&c.workspace, workspaceLimit},
	} {
		at, err := b.take(m.bytes)
		if err != nil {
			return err
		}
		defer b.giveBack(at)
		*m.at = at
	}
	c.bytes = workspaceLimit
	if err := b.synchronize(); err != nil { // what else is on the card would be measured along
		return err
	}
	return b.dnn("cudnnFindConvolution…AlgorithmEx", C.lamina_find(b.api, which, &c, C.int(len(results)), n, &results[0]))
}

// math returns the kind of arithmetic that the precision asks for.
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

// note puts a choice to words.
func (b *Backend) note(which C.int, plan *conv2D, c choice) {
	line := fmt.Sprintf("%s, %s: algorithm %d, math type %d, %d MiB of workspace", plan, passNames[which], c.algo, c.math, mebibytes(c.bytes))
	if c.time > 0 && !b.options.Deterministic {
		line += fmt.Sprintf(", %.3f ms", c.time)
	}
	b.choices = append(b.choices, line)
}
