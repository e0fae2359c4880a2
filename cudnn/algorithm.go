//go:build cudnn && cgo && linux

package cudnn

// #include "launch.h"
import "C"

import (
	"errors"
	"fmt"
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
	if b.options.Deterministic || !c.parse() || !b.usable(which, p, &c) {
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
		if !b.usable(which, p, &c) {
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

// usable reports whether an algorithm can compute a pass within the workspace limit. It sets up the
// pass for it.
func (b *Backend) usable(which C.int, p *pass, c *choice) bool {
	if b.setMath(p, c.math) != nil {
		return false
	}
	var bytes C.size_t
	status := C.lamina_workspace(b.api, which, &p.c, c.algo, &bytes)
	c.bytes = int64(bytes)
	return status == C.LAMINA_CUDNN_STATUS_SUCCESS && c.bytes <= workspaceLimit
}

// search lists the algorithms of a pass, best first. They are measured, or, if the choice must be
// deterministic or there is not enough memory to measure, in the order that cuDNN expects.
func (b *Backend) search(which C.int, plan *conv2D, p *pass, n *C.int, results *[16]C.lamina_perf) (measured bool, err error) {
	if !b.options.Deterministic {
		err := b.measure(which, plan, p, n, results)
		if _, full := errors.AsType[*MemoryError](err); !full {
			return true, err
		}
	}
	return false, b.dnn("cudnnGetConvolution…Algorithm_v7", C.lamina_guess(b.api, which, &p.c, C.int(len(results)), n, &results[0]))
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
	if err := b.synchronize(); err != nil { // it would measure pending work, too
		return err
	}
	return b.dnn("cudnnFindConvolution…AlgorithmEx", C.lamina_find(b.api, which, &c, C.int(len(results)), n, &results[0]))
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
