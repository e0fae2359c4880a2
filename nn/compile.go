package nn

import (
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// node is a layer, or several that one plan computes.
type node struct {
	layer      Layer
	in, out    tensor.Shape // of one image
	weights    []Weight
	norm       bool   // a BatchNorm follows
	relu, pool bool   // fused: a ReLU, and then a 2x2 max pool
	dropout    uint32 // number of the dropout layer
	batchNorm  int    // number of the BatchNorm layer
}

// nodes returns the network as a backend computes it. Training does not fuse a ReLU with the
// convolution before it, whose output its backward pass needs.
func (net *Network) nodes(inference bool) []node {
	var nodes []node
	var dropouts uint32
	var norms int
	in := net.Input
	for i := 0; i < len(net.Layers); i++ {
		n := node{layer: net.Layers[i], in: in, weights: net.Table[i].Weights}
		switch n.layer.(type) {
		case Conv2D, Dense:
			n.norm = follows[BatchNorm](net, i)
			if n.relu = inference && follows[ReLU](net, i); n.relu {
				i++
			}
		case BatchNorm:
			n.batchNorm = norms
			norms++
			if n.relu = follows[ReLU](net, i); n.relu {
				i++
				if n.pool = follows[MaxPool](net, i); n.pool {
					i++
				}
			}
		case Dropout:
			n.dropout = dropouts
			dropouts++
			if inference {
				continue
			}
		}
		n.out = net.Table[i].Output
		nodes = append(nodes, n)
		in = n.out
	}
	return nodes
}

// function returns the fused activation function.
func (n node) function() tensor.Function {
	if n.relu {
		return tensor.Rectifier()
	}
	return tensor.Function{}
}

// follows reports whether the layer after layer i is an L.
func follows[L Layer](net *Network, i int) bool {
	if i+1 == len(net.Layers) {
		return false
	}
	_, ok := net.Layers[i+1].(L)
	return ok
}

// shapes returns the shapes of the activations for n images: the images, then each node's output.
func (net *Network) shapes(nodes []node, n int) []tensor.Shape {
	batch := func(s tensor.Shape) tensor.Shape { return slices.Insert(slices.Clone(s), 0, n) }
	all := []tensor.Shape{batch(net.Input)}
	for _, node := range nodes {
		all = append(all, batch(node.out))
	}
	return all
}

// pass is a list of plan calls.
type pass []func()

func (p pass) run() {
	for _, f := range p {
		f()
	}
}

// compiler turns nodes into plan calls on given tensors.
type compiler struct {
	*Model
	n         int
	inference bool
	constant  bool          // the weights never change
	gradients tensor.Tensor // of one parameter group at a time; nil in inference
	fresh     tensor.Tensor // an element for each BatchNorm layer; nil in inference
	groups    paramGroups
	flow      []tensor.Tensor // the images, then each node's output
	seed      uint64          // of the dropout masks
}

// compile returns the forward pass and, in training, the backward pass, which also updates the
// parameters. The backward pass expects the gradient of the last node's output in that output's
// memory. Each node then writes the gradient of its input over the input.
func (c *compiler) compile(nodes []node) (forward, backward pass, err error) {
	first := slices.IndexFunc(nodes, func(n node) bool { return len(n.weights) > 0 })
	for i, n := range nodes {
		f, b, err := c.node(n, c.flow[i+1], c.flow[i], i == first)
		if err != nil {
			return nil, nil, err
		}
		forward = append(forward, f)
		if i < first || c.inference {
			continue
		}
		if len(n.weights) > 0 {
			if g := c.groups.of(n.weights[0]); n.weights[0].Offset == g.from {
				backward = append(backward, g.step)
			}
		}
		backward = append(backward, b)
	}
	slices.Reverse(backward)
	return forward, backward, nil
}

// node returns the calls of one node, which computes y from x. The input of the first node with
// weights needs no gradient.
func (c *compiler) node(n node, y, x tensor.Tensor, first bool) (forward, backward func(), err error) {
	switch l := n.layer.(type) {
	case Conv2D:
		p, err := c.backend.Conv2D(backend.Conv2DSpec{
			N: c.n, H: n.in[0], W: n.in[1], In: n.in[2], Out: l.Filters, Window: tensor.Centered(l.Kernel),
			BatchNorm: n.norm, Function: n.function(), Inference: c.inference, Constant: c.constant, NoInputGrad: first})
		if err != nil {
			return nil, nil, err
		}
		w, forward, err := c.linear(p, n, y, x)
		if err != nil || c.inference {
			return forward, nil, err
		}
		return forward, c.backwardLinear(p, w, c.gradient(n.weights[0]), c.gradient(n.weights[1]), y, x, first), nil
	case Dense:
		spec := backend.DenseSpec{
			N: c.n, In: n.in[0], Out: l.Units,
			BatchNorm: n.norm, Function: n.function(), Inference: c.inference, Constant: c.constant, NoInputGrad: first}
		p, err := c.backend.Dense(spec)
		if err != nil {
			return nil, nil, err
		}
		w, forward, err := c.linear(p, n, y, x)
		if err != nil || c.inference {
			return forward, nil, err
		}
		if rows := c.groups.slices(n.weights[0]); len(rows) > 1 {
			backward, err = c.denseInSlices(spec, rows, w, n.weights, y, x)
			return forward, backward, err
		}
		return forward, c.backwardLinear(p, w, c.gradient(n.weights[0]), c.gradient(n.weights[1]), y, x, first), nil
	case BatchNorm:
		return c.batchNorm(l, n, y, x)
	}
	p, err := c.activation(n, x.Shape())
	if err != nil {
		return nil, nil, err
	}
	return func() { p.Forward(y, x) }, func() { p.Backward(x, y, x) }, nil
}

// linear returns the kernel and the forward pass of a convolution or a dense layer.
func (c *compiler) linear(p backend.Dense, n node, y, x tensor.Tensor) (w tensor.Tensor, forward func(), err error) {
	w, err = c.backend.Kernel(c.parameters, n.weights[0].Offset, n.weights[0].Shape)
	b := c.view(c.parameters, n.weights[1])
	return w, func() { p.Forward(y, x, w, b) }, err
}

// backwardLinear returns the backward passes of a convolution, a dense layer or a slice of one. The
// first layer's input needs no gradient.
func (c *compiler) backwardLinear(p backend.Dense, w, dw, db, y, x tensor.Tensor, first bool) func() {
	return func() {
		p.BackwardFilter(dw, db, y, x)
		if !first {
			p.BackwardData(x, y, w)
		}
	}
}

// denseInSlices returns the backward pass of a dense layer whose rows belong to several groups. It
// updates each group but the last, which has the first rows, once its rows have added to the
// input's gradient.
func (c *compiler) denseInSlices(s backend.DenseSpec, all []backend.Rows, w tensor.Tensor, weights []Weight,
	y, x tensor.Tensor) (backward func(), err error) {
	db := c.gradient(weights[1])
	var calls pass
	for i, rows := range all {
		s.Slice = rows
		p, err := c.backend.Dense(s)
		if err != nil {
			return nil, err
		}
		at, slice := rows.From*s.Out, weights[0]
		slice.Offset, slice.Shape = slice.Offset+at, tensor.Shape{rows.Len(), s.Out}
		view, gradient := c.backend.View(w, at, slice.Shape), c.gradient(slice)
		calls = append(calls, c.backwardLinear(p, view, gradient, db, y, x, s.NoInputGrad))
		db = nil // the first slice has computed it
		if i < len(all)-1 {
			calls = append(calls, c.groups.of(slice).step)
		}
	}
	return calls.run, nil
}

// gradient returns a view of the gradient of a weight.
func (c *compiler) gradient(w Weight) tensor.Tensor {
	return c.backend.View(c.gradients, w.Offset-c.groups.of(w).from, w.Shape)
}

func (c *compiler) batchNorm(l BatchNorm, n node, y, x tensor.Tensor) (forward, backward func(), err error) {
	spec := backend.BatchNormSpec{
		Shape: x.Shape(), Epsilon: l.epsilon(), Momentum: l.momentum(),
		// Keras 2's fused kernel for images does this.
		Unbiased: len(n.in) == 3,
		Function: n.function(), Pool: n.pool, Inference: c.inference,
	}
	if !c.inference {
		spec.Fresh = c.backend.View(c.fresh, n.batchNorm, tensor.Shape{1})
	}
	p, err := c.backend.BatchNorm(spec)
	if err != nil {
		return nil, nil, err
	}
	gamma, beta := c.view(c.parameters, n.weights[0]), c.view(c.parameters, n.weights[1])
	mean, variance := c.view(c.statistics, n.weights[2]), c.view(c.statistics, n.weights[3])
	if c.inference {
		return func() { p.Infer(y, x, gamma, beta, mean, variance) }, nil, nil
	}
	dgamma, dbeta := c.gradient(n.weights[0]), c.gradient(n.weights[1])
	return func() { p.Forward(y, x, gamma, beta, mean, variance) },
		func() { p.Backward(x, dgamma, dbeta, y, x, gamma, beta) }, nil
}

func (c *compiler) activation(n node, x tensor.Shape) (backend.Activation, error) {
	switch l := n.layer.(type) {
	case ReLU:
		return c.backend.Function(x, tensor.Rectifier())
	case MaxPool:
		return c.backend.Pool(backend.PoolSpec{Shape: x, Window: tensor.Square(2, 2)})
	case Flatten:
		return c.backend.Flatten(x)
	case Dropout:
		return c.backend.Dropout(backend.DropoutSpec{Shape: x, Rate: l.Rate, Seed: c.seed, Layer: n.dropout})
	}
	panic(fmt.Sprintf("nn: no plan for a layer %T", n.layer))
}
