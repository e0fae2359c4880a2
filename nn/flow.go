package nn

import (
	"slices"

	"github.com/lamina-go/lamina/tensor"
)

// flow says where the values of a network and their gradients lie.
//
// In training each value has a tensor. The gradient of a value is the sum of what the backward
// passes of the nodes that take it compute. They run in the reverse order of the nodes, so the
// first node that takes a value is the last to read it, and writes its part of the gradient over
// the value. Nodes before that write theirs to side tensors. An Add computes one gradient for all
// its inputs, over its own output, which stays there: no node writes a copy.
//
// A ReLU that alone takes the output of a convolution or a Dense is part of its node, and what is
// between them has no tensor. The derivative of the ReLU depends only on the sign of its
// output, so all parts of the gradient of that go to side tensors. The node multiplies their sum by
// the derivative, over its output, and there its other backward passes find the gradient.
type flow struct {
	needed []bool         // by value: whether a gradient is
	first  []int          // by value: the first node that takes it
	side   [][]int        // by node and input: the side tensor of its gradient, or −1
	sides  []tensor.Shape // of one image
	total  []int          // by value of a node with a ReLU: the side tensor of the sum of its gradient's parts
}

// newFlow places the gradients of the nodes' values.
func newFlow(nodes []node) *flow {
	f := &flow{needed: make([]bool, len(nodes)+1), first: make([]int, len(nodes)+1)}
	for i, n := range slices.Backward(nodes) {
		for _, v := range n.inputs {
			f.first[v] = i
		}
	}
	f.need(nodes, 0)
	f.place(nodes)
	return f
}

// need sets for which values a gradient is needed, if those of the weights of nodes from from on are.
func (f *flow) need(nodes []node, from int) {
	for i, n := range nodes {
		f.needed[i+1] = i >= from && len(n.trainable()) > 0 ||
			slices.ContainsFunc(n.inputs, func(v int) bool { return f.needed[v] })
	}
}

// wanted reports whether a node computes the gradient of an input v: a BatchNorm always does.
func (f *flow) wanted(n node, v int) bool {
	_, norm := n.layer.(BatchNorm)
	return norm || f.needed[v]
}

// masked reports whether a value is that of a node with a ReLU.
func (f *flow) masked(nodes []node, v int) bool { return v > 0 && nodes[v-1].masked }

// place assigns side tensors. One is free again once the first node that takes the value has run
// or, if the value's node has a ReLU, once that has.
func (f *flow) place(nodes []node) {
	var sides pool
	f.side = make([][]int, len(nodes))
	f.total = make([]int, len(nodes)+1)
	used := make([][]int, len(nodes)+1) // side tensors of each value's gradient
	takers := make([]int, len(nodes)+1)
	for _, n := range nodes {
		for _, v := range n.inputs {
			takers[v]++
		}
	}
	for i, n := range slices.Backward(nodes) {
		if !f.needed[i+1] {
			continue
		}
		if n.masked { // the ReLU runs first
			sides.free(used[i+1]...)
		}
		_, add := n.layer.(Add)
		for k, v := range n.inputs {
			side := -1
			last := f.first[v] == i && !slices.Contains(n.inputs[:k], v) && !f.masked(nodes, v)
			if f.wanted(n, v) && !add && !last {
				shape := n.in
				if v > 0 {
					shape = nodes[v-1].out
				}
				side = sides.take(shape)
				used[v] = append(used[v], side)
			}
			f.side[i] = append(f.side[i], side)
		}
		for _, v := range n.inputs {
			switch {
			case f.first[v] != i:
			case !f.masked(nodes, v):
				sides.free(used[v]...)
				used[v] = nil
			case used[v] == nil && takers[v] > 1: // Adds alone
				used[v] = []int{sides.take(nodes[v-1].out)}
				fallthrough
			case used[v] != nil:
				f.total[v] = used[v][0]
			}
		}
	}
	f.sides = sides.shapes
}

// places assigns the values of an inference to buffers, each free again once the last node that
// takes its value has run. It returns the buffer of each value and the buffers' shapes for one
// image. Layers in a row use two.
func places(input tensor.Shape, nodes []node) (of []int, shapes []tensor.Shape) {
	last := make([]int, len(nodes)+1) // node that takes the value
	for i, n := range nodes {
		for _, v := range n.inputs {
			last[v] = i
		}
	}
	var all pool
	of = []int{all.take(input)}
	for i, n := range nodes {
		of = append(of, all.take(n.out))
		for k, v := range n.inputs {
			if last[v] == i && !slices.Contains(n.inputs[:k], v) {
				all.free(of[v])
			}
		}
	}
	return of, all.shapes
}

// pool is a set of buffers. Each is of the largest shape that it has been taken for.
type pool struct {
	shapes    []tensor.Shape
	available []int
}

// take returns a free buffer for a shape: the one that grows least and, of those, is the smallest.
// If none is free it adds one.
func (p *pool) take(s tensor.Shape) int {
	if len(p.available) == 0 {
		p.shapes = append(p.shapes, s)
		return len(p.shapes) - 1
	}
	size := s.Size()
	at := 0
	for i, buffer := range p.available {
		a, b := p.shapes[buffer].Size(), p.shapes[p.available[at]].Size()
		if a >= size && (b < size || a < b) || a < size && a > b {
			at = i
		}
	}
	buffer := p.available[at]
	p.available = slices.Delete(p.available, at, at+1)
	if size > p.shapes[buffer].Size() {
		p.shapes[buffer] = s
	}
	return buffer
}

func (p *pool) free(buffers ...int) { p.available = append(p.available, buffers...) }
