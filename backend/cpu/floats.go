package cpu

// floatCopy makes what plans read whose kernels have no form for bf16: the elements of an activation
// as float32, each repeated. It copies nothing where that is what the activation is.
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
	if !c.b.bf16 && c.repeat == 1 {
		return 0
	}
	return n * c.repeat
}

// of returns the elements of a, and the rest of the memory.
func (c *floatCopy) of(a array, memory []float32) (floats, rest []float32) {
	if c.size(1) == 0 {
		return a.f32, memory
	}
	c.src, c.dst = a, memory[:c.size(a.len())]
	c.b.pool.run(blocks(a.len(), blockSize), c.task)
	return c.dst, memory[len(c.dst):]
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
