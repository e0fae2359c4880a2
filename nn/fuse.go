package nn

import (
	"slices"
	"strings"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// node is a layer, or several that one plan computes. The values of a network are the images, value
// 0, and the output of each node i, value i + 1. The last is the logits.
type node struct {
	layer    Layer
	inputs   []int        // values
	in, out  tensor.Shape // of one image; in is that of the first input
	weights  []Weight
	window   tensor.Window    // of a convolution or a pool, with the padding before it
	kind     backend.PoolKind // of a pool
	norm     bool             // a BatchNorm by the statistics of the batch follows
	fixed    bool             // a BatchNorm by the running statistics
	still    bool             // in training: frozen, as are all layers before it
	folded   int              // row of the BatchNorm folded into a still convolution or Dense; 0 if there is none
	masked   bool             // in training: a convolution or Dense with a ReLU, see flow
	function tensor.Function  // fused
	pool     bool             // and then a 2x2 max pool
	number   int              // of the Dropout, or of the BatchNorm whose statistics change
}

// trainable returns the weights that train.
func (n node) trainable() (weights []Weight) {
	for _, w := range n.weights {
		if w.Trainable {
			weights = append(weights, w)
		}
	}
	return weights
}

// weight returns the weight of that name within its layer.
func (n node) weight(name string) (Weight, bool) {
	i := slices.IndexFunc(n.weights, func(w Weight) bool { return strings.HasSuffix(w.Name, "/"+name) })
	if i < 0 {
		return Weight{}, false
	}
	return n.weights[i], true
}

// fuser finds the nodes of a network.
type fuser struct {
	*Network
	inference       bool
	takers          [][]int
	still           []bool // by row, see node
	nodes           []node
	value           []int  // of each row's output
	done            []bool // rows that belong to the node of one before
	dropouts, norms int    // so far
}

// nodes returns the network as a backend computes it. Layers are fused where no other layer needs
// what is between them. Training fuses no function but ReLU with the convolution before it, whose
// output its backward pass needs. Layers without a backward pass are computed as in inference, and
// a BatchNorm among them is folded into the convolution before it.
func (net *Network) nodes(inference bool) []node {
	f := &fuser{Network: net, inference: inference, takers: net.takers(), still: net.still(),
		value: make([]int, len(net.Table)), done: make([]bool, len(net.Table))}
	for i, row := range net.Table {
		if row.Layer != nil && !f.done[i] {
			f.value[i] = f.row(i)
		}
	}
	crop(f.nodes)
	return f.nodes
}

// still reports for each row whether neither it nor any before it, on whose output it depends,
// trains.
func (net *Network) still() []bool {
	still := make([]bool, len(net.Table))
	for i, row := range net.Table {
		trains := slices.ContainsFunc(row.Weights, func(w Weight) bool { return w.Trainable })
		moves := slices.ContainsFunc(row.Inputs, func(in int) bool { return in != imagesRow && !still[in] })
		_, norm := row.Layer.(BatchNorm)
		still[i] = !trains && !moves && (!norm || row.fixed())
	}
	return still
}

// row adds the nodes of row i and of those fused with it. It returns the value of the output.
func (f *fuser) row(i int) int {
	row := f.Table[i]
	n := node{layer: row.Layer, in: f.output(row.Inputs[0]), out: row.Output, weights: row.Weights,
		still: f.still[i] && !f.inference}
	for _, in := range row.Inputs {
		n.inputs = append(n.inputs, f.valueOf(in))
	}
	switch l := row.Layer.(type) {
	case Conv2D:
		n.window, _ = l.window(n.in)
		i = f.linear(&n, i)
	case DepthwiseConv2D:
		n.window, _ = l.window(n.in)
		i = f.linear(&n, i)
	case SeparableConv2D:
		i = f.separable(&n, l, i)
	case Dense:
		i = f.linear(&n, i)
	case ZeroPadding:
		i = f.padding(&n, l, i)
	case BatchNorm:
		i = f.batchNorm(&n, i)
	case Add:
		i = f.function(&n, i)
	case Activation:
		if l.Function == (tensor.Function{}) {
			return n.inputs[0]
		}
		n.function = l.Function
	case ReLU:
		n.function = tensor.Rectifier()
		i = f.poolFirst(&n, i)
	case Dropout:
		n.number = f.dropouts
		f.dropouts++
		if f.inference {
			return n.inputs[0]
		}
	case MaxPool:
		n.window, _ = l.window(n.in)
	case AveragePool:
		n.window, _ = l.window(n.in)
		n.kind = backend.AveragePool
	case GlobalAveragePool:
		f.global(&n, backend.AveragePool, l.KeepDims)
	case GlobalMaxPool:
		f.global(&n, backend.SharedMaxPool, l.KeepDims)
	}
	n.out = f.Table[i].Output
	value := f.add(n)
	f.value[i] = value
	return value
}

func (f *fuser) add(n node) (value int) {
	f.nodes = append(f.nodes, n)
	return len(f.nodes)
}

// valueOf returns the value of a row's output, or the images.
func (f *fuser) valueOf(row int) int {
	if row == imagesRow {
		return 0
	}
	return f.value[row]
}

// next returns the row that alone takes the output of row i, and nothing else.
func (f *fuser) next(i int) (j int, ok bool) {
	if len(f.takers[i]) != 1 {
		return 0, false
	}
	j = f.takers[i][0]
	return j, len(f.Table[j].Inputs) == 1
}

// fuse makes row j part of the node that is being made.
func (f *fuser) fuse(j int) int {
	f.done[j] = true
	return j
}

// function fuses a function that follows row i. It returns the last row of the node.
func (f *fuser) function(n *node, i int) int {
	j, ok := f.next(i)
	if !ok {
		return i
	}
	switch l := f.Table[j].Layer.(type) {
	case ReLU:
		n.function = tensor.Rectifier()
	case Activation:
		n.function = l.Function
	default:
		return i
	}
	return f.fuse(j)
}

// linear completes the node of a convolution or a dense layer, row i.
func (f *fuser) linear(n *node, i int) int {
	if j, ok := f.next(i); ok {
		switch _, norm := f.Table[j].Layer.(BatchNorm); {
		case norm && f.still[j] && !f.inference:
			n.folded, i = j, f.fuse(j)
		case norm:
			n.norm = !f.Table[j].fixed()
		}
	}
	if f.inference || n.still {
		return f.function(n, i)
	}
	return f.mask(n, i)
}

// mask fuses a ReLU in training, unless the loss takes its output, or a pool that comes first.
func (f *fuser) mask(n *node, i int) int {
	fused := *n
	j := f.function(&fused, i)
	if j == i {
		return i
	}
	if _, _, pools := f.maxPool(j); pools || !fused.function.IsRectifier() || len(f.takers[j]) == 0 {
		f.done[j] = false
		return i
	}
	n.function, n.masked = fused.function, true
	return j
}

// maxPool returns the max pool that alone takes the output of row i.
func (f *fuser) maxPool(i int) (j int, l MaxPool, ok bool) {
	if j, ok = f.next(i); ok {
		l, ok = f.Table[j].Layer.(MaxPool)
	}
	return j, l, ok
}

// poolFirst adds a node for a max pool that follows a ReLU, row i, and makes n the ReLU of its
// output. The result is the same and so are the gradients, but a ReLU of fewer pixels takes less
// time and memory.
func (f *fuser) poolFirst(n *node, i int) int {
	j, l, ok := f.maxPool(i)
	if !ok {
		return i
	}
	pool := *n
	pool.layer, pool.function, pool.out = l, tensor.Function{}, f.Table[j].Output
	pool.window, _ = l.window(n.in)
	n.in, n.inputs = pool.out, []int{f.add(pool)}
	return f.fuse(j)
}

// separable adds a node for the first part, and makes n that of the second.
func (f *fuser) separable(n *node, l SeparableConv2D, i int) int {
	depthwise, pointwise := l.parts()
	first := *n
	first.layer, first.weights = depthwise, n.weights[:1]
	first.window, _ = depthwise.window(n.in)
	first.out, _ = depthwise.output(n.in)
	n.layer, n.weights, n.in, n.inputs = pointwise, n.weights[1:], first.out, []int{f.add(first)}
	n.window, _ = pointwise.window(n.in)
	return f.linear(n, i)
}

// padding makes the padding part of a convolution that follows, if that can have it.
func (f *fuser) padding(n *node, l ZeroPadding, i int) int {
	j, ok := f.next(i)
	if !ok {
		return i
	}
	var w tensor.Window
	switch conv := f.Table[j].Layer.(type) {
	case Conv2D:
		w, _ = conv.window(n.out)
	case DepthwiseConv2D:
		w, _ = conv.window(n.out)
	default:
		return i
	}
	w.Top, w.Bottom, w.Left, w.Right = w.Top+l.Top, w.Bottom+l.Bottom, w.Left+l.Left, w.Right+l.Right
	if max(w.Top, w.Bottom) >= w.Height || max(w.Left, w.Right) >= w.Width {
		return i
	}
	n.layer, n.weights, n.window, n.still = f.Table[j].Layer, f.Table[j].Weights, w, f.still[j] && !f.inference
	return f.linear(n, f.fuse(j))
}

func (f *fuser) batchNorm(n *node, i int) int {
	if n.fixed = f.Table[i].fixed(); !n.fixed {
		n.number = f.norms
		f.norms++
	}
	i = f.function(n, i)
	j, l, ok := f.maxPool(i)
	if !ok || !n.function.IsRectifier() {
		return i
	}
	if w, _ := l.window(n.in); w != tensor.Square(2, 2) {
		return i
	}
	n.pool = true
	return f.fuse(j)
}

// global makes n a pool of whole images, or of the Flatten that follows the pool.
func (f *fuser) global(n *node, kind backend.PoolKind, keepDims bool) {
	n.kind = kind
	n.window = tensor.Window{Height: n.in[0], Width: n.in[1], StrideH: n.in[0], StrideW: n.in[1]}
	if keepDims {
		return
	}
	first := *n
	first.out = tensor.Shape{1, 1, n.in[2]}
	n.layer, n.in, n.inputs = Flatten{}, first.out, []int{f.add(first)}
}

// fixed reports whether the layer is a BatchNorm that normalizes by its running statistics in
// training, too.
func (l LayerInfo) fixed() bool {
	norm, ok := l.Layer.(BatchNorm)
	return ok && (l.Frozen || norm.Inference)
}
