package cpu

import (
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

const errNoKernel = "cpu: w is not of Kernel"

// root is what a tensor of Parameters and all its views share.
type root struct {
	b      *Backend // that made the tensor
	copies []*weightsBF16
}

// weightsBF16 is the copy in bf16 of a matrix of parameters, packed as products read it. It is
// shared by all plans and lives as long as the parameters. A write of these makes it stale. SGD
// packs it again while the weights are in the cache; otherwise the next plan that reads it does.
type weightsBF16 struct {
	b             *Backend
	source        []float32
	offset        int // of source in the root
	rows, columns int
	packed        []ops.BF16
	fresh         bool
	packTask      func(worker, job int)
}

// weightRows is the number of rows that a job packs.
const weightRows = 64

// Kernel returns a view of parameters, and with bf16 makes the copy of it that products read.
func (b *Backend) Kernel(parameters tensor.Tensor, offset int, shape tensor.Shape) (tensor.Tensor, error) {
	w := view(parameters, offset, shape)
	var err error
	if b.bf16 {
		w.packed, err = w.root.packed(w.f32, w.offset, shape[len(shape)-1])
	}
	return w, err
}

// packed returns the copy of a matrix of some columns, which begins at an offset.
func (r *root) packed(source []float32, offset, columns int) (*weightsBF16, error) {
	for _, c := range r.copies {
		if c.offset == offset && len(c.source) == len(source) && c.columns == columns {
			return c, nil
		}
	}
	c := &weightsBF16{b: r.b, source: source, offset: offset, rows: len(source) / columns, columns: columns}
	memory, err := r.b.floats(ops.PackedMatrixSizeBF16(c.rows, columns) / 2)
	if err != nil {
		return nil, err
	}
	c.packed = ops.AsBF16(memory)
	c.packTask = func(worker, job int) {
		p, end := blockRange(c.rows, weightRows, job)
		c.pack(worker, p, end)
	}
	r.copies = append(r.copies, c)
	return c, r.b.reserve(ops.RoundedScratch)
}

// packedBF16 returns the packed copy of the whole matrix to which the rows of t belong: a matrix of
// the given number of rows, where those of t begin at row from. A stale copy is packed first.
func (t *buffer) packedBF16(rows, from int) []ops.BF16 {
	c := t.packed
	if c == nil || c.rows != rows || c.columns != t.shape[len(t.shape)-1] || t.offset != c.offset+from*c.columns {
		panic(errNoKernel)
	}
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

// packInside packs the pairs of rows that lie within elements from to to of the source. These may
// pass its ends.
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

// pairs returns the first row of the first pair that begins at element from or later, and the row
// after the last pair that ends by element to.
func (c *weightsBF16) pairs(from, to int) (first, end int) {
	if to >= len(c.source) {
		end = c.rows
	} else {
		end = max(0, to) / (2 * c.columns) * 2
	}
	return blocks(max(0, from), 2*c.columns) * 2, end
}

// changed makes all copies stale that have elements of t.
func (t *buffer) changed() {
	for _, c := range t.root.copies {
		if c.offset < t.offset+t.len() && t.offset < c.offset+len(c.source) {
			c.fresh = false
		}
	}
}

// repacked marks copies as fresh if all their elements are in t, after t was changed and all pairs
// of rows that begin in t were packed. Other copies stay as fresh as they were, but stale if t
// begins within a pair of their rows.
func (t *buffer) repacked() {
	for _, c := range t.root.copies {
		switch at := t.offset - c.offset; {
		case at <= 0 && at+t.len() >= len(c.source):
			c.fresh = true
		case at > 0 && at < len(c.source) && at%(2*c.columns) != 0:
			c.fresh = false
		}
	}
}
