package cpu

import (
	"unsafe"

	"github.com/lamina-go/lamina/ops"
)

const errNoKernel = "cpu: w is not of Kernel"

// weightsBF16 is the copy in bfloat16 of a matrix of parameters, packed as products read it. All plans on the same parameters
// share one, which stays as long as they do. Whatever writes parameters (see Backend.output) makes it stale. SGD makes it anew
// while the weights are still in the cache; else the next plan that reads it does.
type weightsBF16 struct {
	b             *Backend
	source        []float32
	rows, columns int
	packed        []ops.BF16
	fresh         bool
	packTask      func(worker, job int)
}

// weightRows is the number of rows that a job packs.
const weightRows = 64

// addWeights makes room for the copy of w, a matrix of so many columns, unless there is one.
func (b *Backend) addWeights(w []float32, columns int) error {
	if b.weightsOf(w, columns) != nil {
		return nil
	}
	c := &weightsBF16{b: b, source: w, rows: len(w) / columns, columns: columns}
	memory, err := b.floats(ops.PackedMatrixSizeBF16(c.rows, columns) / 2)
	if err != nil {
		return err
	}
	c.packed = ops.AsBF16(memory)
	c.packTask = func(worker, job int) {
		p, end := part(c.rows, weightRows, job)
		c.pack(worker, p, end)
	}
	b.weights = append(b.weights, c)
	return b.reserve(ops.RoundedScratch)
}

// weightsOf returns the copy of w, nil if there is none.
func (b *Backend) weightsOf(w []float32, columns int) *weightsBF16 {
	for _, c := range b.weights {
		if &c.source[0] == &w[0] && len(c.source) == len(w) && c.columns == columns {
			return c
		}
	}
	return nil
}

// packedWeights returns the copy of w, a matrix of so many columns, as w is now.
func (b *Backend) packedWeights(w []float32, columns int) []ops.BF16 {
	c := b.weightsOf(w, columns)
	if c == nil {
		panic(errNoKernel)
	}
	return c.refreshed()
}

// packedRows returns the copy of a matrix of so many columns that has the rows w, the number of its rows, and with which w begins.
func (b *Backend) packedRows(w []float32, columns int) (packed []ops.BF16, rows, first int) {
	for _, c := range b.weights {
		at := place(w, c.source)
		if c.columns == columns && at >= 0 && at%columns == 0 && at+len(w) <= len(c.source) {
			return c.refreshed(), c.rows, at / columns
		}
	}
	panic(errNoKernel)
}

// refreshed returns the copy, made anew if it is stale.
func (c *weightsBF16) refreshed() []ops.BF16 {
	if !c.fresh {
		c.b.pool.run(blocks(c.rows, weightRows), c.packTask)
		c.fresh = true
	}
	return c.packed
}

// pack packs the rows from p to end, whole pairs of them; an odd last row is a pair by itself.
func (c *weightsBF16) pack(worker, p, end int) {
	if p < end {
		c.b.level.PackRounded(c.packed, c.rows, c.source[p*c.columns:], c.columns, p, end-p, c.columns, c.b.scratch(worker))
	}
}

// packInside packs the pairs of rows that lie within elements from to to of the source. These may pass its ends.
func (c *weightsBF16) packInside(worker, from, to int) {
	first, end := c.pairs(from, to)
	c.pack(worker, first, end)
}

// packAcross packs the pair of rows that begins within these elements and ends beyond them.
func (c *weightsBF16) packAcross(worker, from, to int) {
	if first, end := c.pairs(from, to); first <= end && end*c.columns < min(to, len(c.source)) {
		c.pack(worker, end, min(end+2, c.rows))
	}
}

// pairs returns the row with which the first pair begins that does so at element from or later, and the one after the last pair that
// ends by element to.
func (c *weightsBF16) pairs(from, to int) (first, end int) {
	if to >= len(c.source) {
		end = c.rows
	} else {
		end = max(0, to) / (2 * c.columns) * 2
	}
	return blocks(max(0, from), 2*c.columns) * 2, end
}

// changed makes the copies of what x is a part of, or has a part of, stale.
func (b *Backend) changed(x []float32) {
	for _, c := range b.weights {
		if at := place(c.source, x); at < len(x) && at+len(c.source) > 0 {
			c.fresh = false
		}
	}
}

// remade tells that the weights in x were changed, and packed anew all pairs of rows that begin there. A copy of more stays as fresh as
// it was, unless x begins within a pair.
func (b *Backend) remade(x []float32) {
	for _, c := range b.weights {
		switch at := place(x, c.source); {
		case at <= 0 && at+len(x) >= len(c.source):
			c.fresh = true
		case at > 0 && at < len(c.source) && at%(2*c.columns) != 0:
			c.fresh = false
		}
	}
}

// place returns by how many numbers x begins after y.
func place(x, y []float32) int {
	address := func(x []float32) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(x))) }
	return int(address(x)-address(y)) / 4
}
