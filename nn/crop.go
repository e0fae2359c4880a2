package nn

import "slices"

// crop leaves out the last rows and columns that nothing reads. A 2x2 pool of 13x13 pixels reads
// 12x12 of them, so a convolution before it need not compute the others. Their gradients are zero,
// and no other gradient changes.
func crop(nodes []node) {
	can := make([]bool, len(nodes)+1)    // by value: whether it can be smaller
	read := make([][2]int, len(nodes)+1) // by value: the rows and columns that are read
	for i, n := range nodes {
		switch n.layer.(type) {
		case Conv2D, DepthwiseConv2D:
			can[i+1] = true
		case MaxPool, AveragePool, ReLU, Activation:
			can[i+1] = can[n.inputs[0]]
		}
	}
	for i, n := range slices.Backward(nodes) {
		if can[i+1] && read[i+1] != [2]int{} {
			n.out = slices.Concat(read[i+1][:], n.out[2:])
			nodes[i].out = n.out
		}
		for _, v := range n.inputs {
			if !can[v] {
				continue
			}
			size := nodes[v-1].out
			read[v][0] = max(read[v][0], n.reads(size, 0))
			read[v][1] = max(read[v][1], n.reads(size, 1))
		}
	}
	for i := range nodes {
		nodes[i].fit(nodes)
	}
}

// reads returns how many of the first rows, or with axis 1 columns, of an image of a size the node
// reads.
func (n *node) reads(size []int, axis int) int {
	switch n.layer.(type) {
	case ReLU, Activation:
		return n.out[axis]
	case Conv2D, DepthwiseConv2D, MaxPool, AveragePool:
		w := n.window
		return min(size[axis], [...]int{
			(n.out[0]-1)*w.StrideH + w.Height - w.Top,
			(n.out[1]-1)*w.StrideW + w.Width - w.Left}[axis])
	}
	return size[axis]
}

// fit makes a node's input that of its first, and its window one with the node's output.
func (n *node) fit(nodes []node) {
	if v := n.inputs[0]; v > 0 {
		n.in = nodes[v-1].out
	}
	switch n.layer.(type) {
	case Conv2D, DepthwiseConv2D, MaxPool, AveragePool:
		w := &n.window
		if h, wide := w.Output(n.in[0], n.in[1]); h != n.out[0] || wide != n.out[1] {
			w.Bottom = (n.out[0]-1)*w.StrideH + w.Height - w.Top - n.in[0]
			w.Right = (n.out[1]-1)*w.StrideW + w.Width - w.Left - n.in[1]
		}
	}
}
