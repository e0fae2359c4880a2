package hdf5

// The two kinds of version 1 B-trees.
const (
	groupTree = 0
	chunkTree = 1
)

// walkTree calls leaf for every leaf of a B-tree of the given kind, in order: with the leaf's
// address and a block positioned at its key, which has keySize bytes.
func (f *File) walkTree(o *Object, addr uint64, kind, keySize int, leaf func(key *block, addr uint64) error) error {
	return f.walkNode(o, addr, kind, keySize, -1, leaf)
}

// walkNode walks the subtree of a node at the given level; level -1 marks the root.
func (f *File) walkNode(o *Object, addr uint64, kind, keySize, level int, leaf func(*block, uint64) error) error {
	b, err := f.read(o, "B-tree node", addr, uint64(8+2*f.offsetSize))
	if err != nil {
		return err
	}
	b.expect("TREE")
	if k := b.u8(); b.err == nil && k != kind {
		return b.fail("node of kind %d, expected %d", k, kind)
	}
	if l := b.u8(); b.err == nil && l != level && level >= 0 {
		return b.fail("node of level %d, expected %d", l, level)
	} else {
		level = l
	}
	n := b.u16()
	b.skip(2 * f.offsetSize) // siblings
	if b.err != nil {
		return b.err
	}
	if err := b.more(n*(keySize+f.offsetSize) + keySize); err != nil {
		return err
	}
	for range n {
		key := *b
		b.skip(keySize)
		child := b.address()
		if level > 0 {
			err = f.walkNode(o, child, kind, keySize, level-1, leaf)
		} else {
			err = leaf(&key, child)
		}
		if err != nil {
			return err
		}
	}
	return b.err
}
