package nn

import (
	"fmt"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// shapes returns the shapes of the values for one image.
func (net *Network) shapes(nodes []node) []tensor.Shape {
	all := []tensor.Shape{net.Input}
	for _, node := range nodes {
		all = append(all, node.out)
	}
	return all
}

// loss returns the loss of n images.
func (net *Network) loss(n int) backend.LossSpec {
	return backend.LossSpec{N: n, Classes: net.Classes, Sigmoid: net.Output == SigmoidOutput}
}

// batch returns the shape of n images.
func batch(n int, s tensor.Shape) tensor.Shape { return slices.Insert(slices.Clone(s), 0, n) }

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
	constants tensor.Tensor // of a Trainer
	groups    paramGroups
	nodes     []node
	resting   int // so many nodes come before the first whose gradients matter
	flow      *flow
	values    []tensor.Tensor
	sides     []tensor.Tensor // flow.sides; nil in inference
	seed      uint64          // of the dropout masks
}

// backwardPass returns the calls that compute the gradients of a node's inputs, nil where none is
// wanted, and of its weights, from that of its output.
type backwardPass func(dxs []tensor.Tensor, dy tensor.Tensor) (pass, error)

// compile returns the forward pass and, in training, the backward pass, which also updates the
// parameters. The backward pass expects the gradient of the logits in their memory.
func (c *compiler) compile() (forward, backward pass, err error) {
	c.flow = newFlow(c.nodes)
	c.flow.need(c.nodes, c.resting)
	passes := make([]backwardPass, len(c.nodes))
	for i, n := range c.nodes {
		var xs []tensor.Tensor
		for _, v := range n.inputs {
			xs = append(xs, c.values[v])
		}
		f, b, err := c.node(n, c.values[i+1], xs)
		if err != nil {
			return nil, nil, err
		}
		forward, passes[i] = append(forward, f), b
	}
	if !c.inference {
		backward, err = c.backward(passes)
	}
	return forward, backward, err
}

// backward returns the backward pass of the network.
func (c *compiler) backward(passes []backwardPass) (backward pass, err error) {
	parts := make([][]tensor.Tensor, len(c.values)) // of each value's gradient
	last := len(c.values) - 1
	parts[last] = []tensor.Tensor{c.values[last]}
	for i, n := range slices.Backward(c.nodes) {
		var dxs []tensor.Tensor
		if c.flow.needed[i+1] {
			dxs = c.inputGradients(i, parts[i+1][0])
			calls, err := passes[i](dxs, parts[i+1][0])
			if err != nil {
				return nil, err
			}
			backward = append(backward, calls...)
		}
		if weights := n.trainable(); len(weights) > 0 {
			if g := c.groups.of(weights[0]); weights[0].Offset == g.from {
				backward = append(backward, g.step)
			}
		}
		for k, v := range n.inputs {
			if c.flow.needed[v] {
				parts[v] = append(parts[v], dxs[k])
			}
		}
		for _, v := range n.inputs {
			if c.flow.first[v] != i || len(parts[v]) < 2 {
				continue
			}
			to := c.values[v]
			if c.flow.masked(c.nodes, v) {
				to = c.side(c.flow.total[v], to)
			}
			sum, err := c.sum(to, parts[v])
			if err != nil {
				return nil, err
			}
			backward = append(backward, sum)
			parts[v] = []tensor.Tensor{to}
		}
	}
	return backward, nil
}

// inputGradients returns where the backward pass of node i leaves the gradients of its inputs, nil
// where none is wanted, given where that of its output lies.
func (c *compiler) inputGradients(i int, dy tensor.Tensor) (dxs []tensor.Tensor) {
	n := c.nodes[i]
	_, add := n.layer.(Add)
	for k, v := range n.inputs {
		var dx tensor.Tensor
		switch side := c.flow.side[i][k]; {
		case !c.flow.wanted(n, v):
		case add && n.function == (tensor.Function{}):
			dx = dy
		case add:
			dx = c.values[i+1]
		case side >= 0:
			dx = c.side(side, c.values[v])
		default:
			dx = c.values[v]
		}
		dxs = append(dxs, dx)
	}
	return dxs
}

// side returns a side tensor of the shape of a value.
func (c *compiler) side(i int, value tensor.Tensor) tensor.Tensor {
	return c.backend.View(c.sides[i], 0, value.Shape())
}

// sum returns a call that adds the parts of a gradient.
func (c *compiler) sum(dx tensor.Tensor, parts []tensor.Tensor) (func(), error) {
	p, err := c.backend.Add(backend.AddSpec{Shape: dx.Shape(), Inputs: len(parts)})
	return func() { p.Forward(dx, parts) }, err
}

// node returns the calls of one node, which computes y from xs.
func (c *compiler) node(n node, y tensor.Tensor, xs []tensor.Tensor) (
	forward func(), backward backwardPass, err error) {
	if n.masked {
		return c.masked(n, y, xs)
	}
	x := xs[0]
	ends := !c.flow.needed[n.inputs[0]] // the input needs no gradient
	infers := c.inference || n.still
	constant := c.constant || n.copied()
	switch l := n.layer.(type) {
	case Conv2D:
		p, err := c.backend.Conv2D(backend.Conv2DSpec{
			N: c.n, H: n.in[0], W: n.in[1], In: n.in[2], Out: l.Filters, Window: n.window,
			BatchNorm: n.norm, Function: n.function, Inference: infers, Constant: constant, NoInputGrad: ends})
		if err != nil {
			return nil, nil, err
		}
		return c.linear(p, n, y, x)
	case DepthwiseConv2D:
		p, err := c.backend.DepthwiseConv2D(backend.DepthwiseSpec{
			N: c.n, H: n.in[0], W: n.in[1], C: n.in[2], Multiplier: l.multiplier(), Window: n.window,
			BatchNorm: n.norm, Function: n.function, Inference: infers, Constant: constant, NoInputGrad: ends})
		if err != nil {
			return nil, nil, err
		}
		return c.linear(p, n, y, x)
	case Dense:
		return c.dense(n, y, x, backend.DenseSpec{
			N: c.n, In: n.in[0], Out: l.Units,
			BatchNorm: n.norm, Function: n.function, Inference: infers, Constant: constant, NoInputGrad: ends})
	case BatchNorm:
		return c.batchNorm(l, n, y, x)
	case Add:
		p, err := c.backend.Add(backend.AddSpec{Shape: y.Shape(), Inputs: len(xs), Function: n.function})
		if err != nil {
			return nil, nil, err
		}
		return func() { p.Forward(y, xs) }, func(dxs []tensor.Tensor, dy tensor.Tensor) (pass, error) {
			if n.function == (tensor.Function{}) {
				return nil, nil // dxs are dy
			}
			dz := make([]tensor.Tensor, len(xs))
			dz[0] = y
			return pass{func() { p.Backward(dz, dy, xs) }}, nil
		}, nil
	case Concatenate:
		var spec backend.ConcatSpec
		for _, x := range xs {
			spec.Shapes = append(spec.Shapes, x.Shape())
		}
		p, err := c.backend.Concat(spec)
		return func() { p.Forward(y, xs) }, func(dxs []tensor.Tensor, dy tensor.Tensor) (pass, error) {
			return pass{func() { p.Backward(dxs, dy, xs) }}, nil
		}, err
	}
	p, err := c.activation(n, x.Shape())
	return func() { p.Forward(y, x) }, func(dxs []tensor.Tensor, dy tensor.Tensor) (pass, error) {
		return pass{func() { p.Backward(dxs[0], dy, x) }}, nil
	}, err
}

// masked returns the calls of a node with a ReLU, whose plan takes the gradient of what is before it.
func (c *compiler) masked(n node, y tensor.Tensor, xs []tensor.Tensor) (
	forward func(), backward backwardPass, err error) {
	relu, err := c.backend.Function(y.Shape(), n.function)
	if err != nil {
		return nil, nil, err
	}
	n.masked = false
	forward, rest, err := c.node(n, y, xs)
	return forward, func(dxs []tensor.Tensor, dy tensor.Tensor) (pass, error) {
		calls, err := rest(dxs, y)
		// The sign of y is that of what is before the ReLU.
		return append(pass{func() { relu.Backward(y, dy, y) }}, calls...), err
	}, err
}

// linear returns the passes of a convolution or a dense layer.
func (c *compiler) linear(p backend.Dense, n node, y, x tensor.Tensor) (
	forward func(), backward backwardPass, err error) {
	w, err := c.kernel(n)
	if err != nil {
		return nil, nil, err
	}
	b := c.bias(n)
	return func() { p.Forward(y, x, w, b) }, func(dxs []tensor.Tensor, dy tensor.Tensor) (pass, error) {
		var dw, db tensor.Tensor
		if db = c.biasGradient(n); n.weights[0].Trainable {
			dw = c.gradient(n.weights[0])
		} else if db != nil { // which comes with a gradient of the kernel, that nothing reads
			if dw, err = c.backend.Parameters(n.weights[0].Shape); err != nil {
				return nil, err
			}
		}
		return pass{c.backwardLinear(p, w, dw, db, dxs[0], dy, x)}, nil
	}, nil
}

// kernel returns the w of a convolution or a dense layer.
func (c *compiler) kernel(n node) (tensor.Tensor, error) {
	w := n.weights[0]
	if _, depthwise := n.layer.(DepthwiseConv2D); depthwise {
		return c.view(c.flat(w), w), nil
	}
	return c.backend.Kernel(c.flat(w), w.Offset, w.Shape)
}

// bias returns the bias of a convolution or a dense layer, nil if there is none, and biasGradient
// its gradient, nil if it is frozen.
func (c *compiler) bias(n node) tensor.Tensor {
	if len(n.weights) == 1 {
		return nil
	}
	return c.view(c.flat(n.weights[1]), n.weights[1])
}

func (c *compiler) biasGradient(n node) tensor.Tensor {
	if len(n.weights) == 1 || !n.weights[1].Trainable {
		return nil
	}
	return c.gradient(n.weights[1])
}

// backwardLinear returns the backward passes of a convolution, a dense layer or a slice of one,
// without that of the kernel if dw is nil, or of the input if dx is.
func (c *compiler) backwardLinear(p backend.Dense, w, dw, db, dx, dy, x tensor.Tensor) func() {
	return func() {
		if dw != nil {
			p.BackwardFilter(dw, db, dy, x)
		}
		if dx != nil {
			p.BackwardData(dx, dy, w)
		}
	}
}

func (c *compiler) dense(n node, y, x tensor.Tensor, spec backend.DenseSpec) (
	forward func(), backward backwardPass, err error) {
	p, err := c.backend.Dense(spec)
	if err != nil {
		return nil, nil, err
	}
	forward, backward, err = c.linear(p, n, y, x)
	if err != nil || c.inference || !n.weights[0].Trainable {
		return forward, backward, err
	}
	if rows := c.groups.slices(n.weights[0]); len(rows) > 1 {
		backward = func(dxs []tensor.Tensor, dy tensor.Tensor) (pass, error) {
			return c.denseInSlices(spec, rows, n, dxs[0], dy, x)
		}
	}
	return forward, backward, nil
}

// denseInSlices returns the backward pass of a dense layer whose rows belong to several groups. It
// updates each group but the last, which has the first rows, once its rows have added to the
// input's gradient.
func (c *compiler) denseInSlices(s backend.DenseSpec, all []backend.Rows, n node, dx, dy, x tensor.Tensor) (
	pass, error) {
	w, err := c.kernel(n)
	if err != nil {
		return nil, err
	}
	db := c.biasGradient(n)
	var calls pass
	for i, rows := range all {
		s.Slice = rows
		p, err := c.backend.Dense(s)
		if err != nil {
			return nil, err
		}
		at, slice := rows.From*s.Out, n.weights[0]
		slice.Offset, slice.Shape = slice.Offset+at, tensor.Shape{rows.Len(), s.Out}
		view, gradient := c.backend.View(w, at, slice.Shape), c.gradient(slice)
		calls = append(calls, c.backwardLinear(p, view, gradient, db, dx, dy, x))
		db = nil // the first slice has computed it
		if i < len(all)-1 {
			calls = append(calls, c.groups.of(slice).step)
		}
	}
	return calls, nil
}

// flat returns the tensor that holds the weight.
func (c *compiler) flat(w Weight) tensor.Tensor {
	if w.copied {
		return c.constants
	}
	return c.Model.flat(w)
}

// gradient returns a view of the gradient of a weight.
func (c *compiler) gradient(w Weight) tensor.Tensor {
	return c.backend.View(c.gradients, w.Offset-c.groups.of(w).from, w.Shape)
}

func (c *compiler) batchNorm(l BatchNorm, n node, y, x tensor.Tensor) (
	forward func(), backward backwardPass, err error) {
	infers := c.inference || n.still
	spec := backend.BatchNormSpec{
		Shape: x.Shape(), Epsilon: l.epsilon(), Momentum: l.momentum(),
		// Keras 2's fused kernel for images does this.
		Unbiased: len(n.in) == 3,
		Function: n.function, Pool: n.pool, Inference: infers, Frozen: n.fixed && !infers,
	}
	if !infers && !n.fixed {
		spec.Fresh = c.backend.View(c.fresh, n.number, tensor.Shape{1})
	}
	p, err := c.backend.BatchNorm(spec)
	if err != nil {
		return nil, nil, err
	}
	gamma, dgamma := c.weight(n, "gamma")
	beta, dbeta := c.weight(n, "beta")
	mean, _ := c.weight(n, "moving_mean")
	variance, _ := c.weight(n, "moving_variance")
	if infers {
		return func() { p.Infer(y, x, gamma, beta, mean, variance) }, nil, nil
	}
	return func() { p.Forward(y, x, gamma, beta, mean, variance) }, func(dxs []tensor.Tensor, dy tensor.Tensor) (pass, error) {
		return pass{func() { p.Backward(dxs[0], dgamma, dbeta, dy, x, gamma, beta) }}, nil
	}, nil
}

// weight returns the weight of that name within its layer, and its gradient if it trains. They are
// nil if the layer has none.
func (c *compiler) weight(n node, name string) (value, gradient tensor.Tensor) {
	w, ok := n.weight(name)
	if !ok {
		return nil, nil
	}
	if w.Trainable && !c.inference {
		gradient = c.gradient(w)
	}
	return c.view(c.flat(w), w), gradient
}

func (c *compiler) activation(n node, x tensor.Shape) (backend.Activation, error) {
	switch l := n.layer.(type) {
	case ReLU, Activation:
		return c.backend.Function(x, n.function)
	case Softmax:
		return c.backend.Softmax(x)
	case MaxPool, AveragePool, GlobalAveragePool, GlobalMaxPool:
		return c.backend.Pool(backend.PoolSpec{Shape: x, Window: n.window, Kind: n.kind})
	case ZeroPadding:
		return c.backend.Pad(backend.PadSpec{Shape: x, Top: l.Top, Bottom: l.Bottom, Left: l.Left, Right: l.Right})
	case Flatten:
		return c.backend.Flatten(x)
	case Dropout:
		return c.backend.Dropout(backend.DropoutSpec{Shape: x, Channels: l.Spatial, Rate: l.Rate, Seed: c.seed, Layer: uint32(n.number)})
	}
	panic(fmt.Sprintf("nn: no plan for a layer %T", n.layer))
}
