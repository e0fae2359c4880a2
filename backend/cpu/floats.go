package cpu

import "github.com/lamina-go/lamina/ops"

// floatCopy makes the elements of activations as float32, each repeated, for kernels that have no
// other form. It copies nothing where that is what an activation is. A nil floatCopy never does.
type floatCopy struct {
	b      *Backend
	repeat int
	src    array
	dst    []float32
	task   func(worker, job int)
}

func newFloatCopy(b *Backend, repeat int) (*floatCopy, error) {
	c := &floatCopy{b: b, repeat: repeat}
	c.task = c.job
	return c, b.reserve(blockSize)
}

// size returns how many floats of memory the copy of n elements needs.
func (c *floatCopy) size(n int) int {
	if c == nil || !c.b.bf16 && c.repeat == 1 {
		return 0
	}
	return n * c.repeat
}

// of returns the elements of a, and the rest of the memory.
func (c *floatCopy) of(a array, memory []float32) (elements array, rest []float32) {
	size := c.size(a.len())
	if size == 0 {
		return a, memory
	}
	c.src, c.dst = a, memory[:size]
	c.b.pool.run(blocks(a.len(), blockSize), c.task)
	return array{f32: c.dst}, memory[size:]
}

func (c *floatCopy) job(worker, job int) {
	from, to := blockRange(c.src.len(), blockSize, job)
	if c.repeat == 1 {
		c.src.load(c.b.level, c.dst[from:to], from, to)
		return
	}
	dst := c.dst[from*c.repeat : to*c.repeat]
	for i, v := range c.src.load(c.b.level, c.b.scratch(worker), from, to) {
		for m := range c.repeat {
			dst[i*c.repeat+m] = v
		}
	}
}

// The kernels over taps, on pixels of either type.

func (a array) depthwise(l ops.Level, y, w []float32, taps []ops.Tap, bias []float32, b ops.Block) {
	if a.bf16 != nil {
		l.DepthwiseBF16(y, a.bf16, w, taps, bias, b)
	} else {
		l.Depthwise(y, a.f32, w, taps, bias, b)
	}
}

// depthwiseGrad takes dy from an element on.
func (a array) depthwiseGrad(l ops.Level, dw []float32, dy array, at int, taps []ops.Tap, b ops.Block) {
	if a.bf16 != nil {
		l.DepthwiseGradBF16(dw, dy.bf16[at:], a.bf16, taps, b)
	} else {
		l.DepthwiseGrad(dw, dy.f32[at:], a.f32, taps, b)
	}
}

func (a array) sumTaps(l ops.Level, y, w []float32, taps []ops.Tap) {
	if a.bf16 != nil {
		l.SumTapsBF16(y, a.bf16, w, taps)
	} else {
		l.SumTaps(y, a.f32, w, taps)
	}
}

func (a array) maxTaps(l ops.Level, y []float32, taps []ops.Tap) {
	if a.bf16 != nil {
		l.MaxTapsBF16(y, a.bf16, taps)
	} else {
		l.MaxTaps(y, a.f32, taps)
	}
}

func (a array) firstMax(l ops.Level, which, most []float32, taps []ops.Tap) {
	if a.bf16 != nil {
		l.FirstMaxBF16(which, most, a.bf16, taps)
	} else {
		l.FirstMax(which, most, a.f32, taps)
	}
}

func (a array) shareMax(l ops.Level, share, dy, most []float32, taps []ops.Tap) {
	if a.bf16 != nil {
		l.ShareMaxBF16(share, dy, most, a.bf16, taps)
	} else {
		l.ShareMax(share, dy, most, a.f32, taps)
	}
}
