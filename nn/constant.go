package nn

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"

	"github.com/lamina-go/lamina/tensor"
)

// constant is the weights of a still convolution or Dense, see node, as training reads them: copied
// from those of the model, with the BatchNorm that follows folded in. So frozen layers at the start
// of a network are computed as fast as in inference.
type constant struct {
	sources, targets []Weight
	norm             int // row of the BatchNorm, or 0
}

// copied reports whether the weights of a node are constants.
func (n node) copied() bool { return len(n.weights) > 0 && n.weights[0].copied }

// makeConstants gives the still nodes weights among the constants. A Dense without a BatchNorm
// reads those of the model: its kernel may be large, and a copy does not make it faster.
func (t *Trainer) makeConstants() (err error) {
	size := 0
	for i := range t.nodes {
		n := &t.nodes[i]
		linear := false
		switch n.layer.(type) {
		case Conv2D, DepthwiseConv2D:
			linear = n.still
		case Dense:
			linear = n.folded > 0
		}
		if !linear {
			continue
		}
		c := constant{sources: n.weights, norm: n.folded}
		shapes := []tensor.Shape{n.weights[0].Shape}
		if c.norm > 0 || len(n.weights) > 1 {
			shapes = append(shapes, tensor.Shape{n.out[len(n.out)-1]})
		}
		for _, s := range shapes {
			c.targets = append(c.targets, Weight{Shape: s, Offset: size, copied: true})
			size += (s.Size() + alignment - 1) / alignment * alignment
		}
		n.weights = c.targets
		t.copies = append(t.copies, c)
	}
	if size > 0 {
		t.constants, err = t.Model.backend.Parameters(tensor.Shape{size})
	}
	return err
}

// computeConstants computes the constants from the weights of the model. Plans keep them, so it is
// an error if they are not those of the first step. The lock is held.
func (t *Trainer) computeConstants() error {
	m := t.Model
	digest := sha256.New()
	buffer := m.buffer()
	for _, c := range t.copies {
		if err := m.hash(digest, c, buffer); err != nil {
			return err
		}
	}
	sum := digest.Sum(nil)
	if t.digest != nil {
		if !bytes.Equal(sum, t.digest) {
			return errors.New("nn: weights of frozen layers have changed since the first step: make another Trainer")
		}
		return nil
	}
	for _, c := range t.copies {
		if err := c.compute(m, t.constants, buffer); err != nil {
			return err
		}
	}
	t.digest = sum
	return nil
}

// compute writes the constants of a layer.
func (c constant) compute(m *Model, to tensor.Tensor, buffer []float32) (err error) {
	changes := [2]channelwise{unchanged, unchanged} // of kernel and bias
	if c.norm > 0 {
		if changes[0], changes[1], err = m.folding(c.norm); err != nil {
			return err
		}
	}
	for k, target := range c.targets {
		if k < len(c.sources) {
			_, err = m.copyWeight(c.sources[k], to, target.Offset, changes[k], buffer)
		} else {
			err = m.write(to, target.Offset, changes[k].shifts())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hash adds the weights that a constant comes from to a digest.
func (m *Model) hash(digest hash.Hash, c constant, buffer []float32) error {
	all := c.sources
	if c.norm > 0 {
		all = append(all[:len(all):len(all)], m.Table[c.norm].Weights...)
	}
	for _, w := range all {
		for at := 0; at < w.Shape.Size(); at += len(buffer) {
			block := buffer[:min(len(buffer), w.Shape.Size()-at)]
			if err := m.read(m.flat(w), w.Offset+at, block); err != nil {
				return err
			}
			if err := binary.Write(digest, binary.LittleEndian, block); err != nil {
				return err
			}
		}
	}
	return nil
}
