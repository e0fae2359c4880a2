package cpu

// kernelRoom is where a plan keeps a kernel as its products read it, packed or transformed. A kernel
// that never changes has memory of its own and is made once; others lie in the common memory
// during a pass.
type kernelRoom struct {
	b    *Backend
	kept []float32 // nil if the kernel changes
	made bool
}

// init makes room for size numbers.
func (r *kernelRoom) init(b *Backend, size int, constant bool) (err error) {
	r.b = b
	if !constant {
		return b.reserveCommon(size)
	}
	r.kept, err = b.floats(size)
	return err
}

// use returns the room, and whether the kernel is to be made there first.
func (r *kernelRoom) use() (room []float32, stale bool) {
	if r.kept == nil {
		return r.b.common.of(0), true
	}
	stale = !r.made
	r.made = true
	return r.kept, stale
}
