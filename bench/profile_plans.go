package bench

import (
	"fmt"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/internal/digits"
	"github.com/lamina-go/lamina/tensor"
)

func floatBytes(n int) float64 { return 4 * float64(n) }

func (p *profile) activationBytes(n int) float64 { return p.element * float64(n) }

// Conv2D makes a plan of the next layer.
func (p *profile) Conv2D(s backend.Conv2DSpec) (backend.Conv2D, error) {
	plan, err := p.Backend.Conv2D(s)
	h, w := s.Window.Output(s.H, s.W)
	bytes := p.activationBytes(s.N*(s.H*s.W*s.In+h*w*s.Out)) + floatBytes(s.Window.Taps()*s.In*s.Out)
	return p.linear(plan, "conv", convName(s), cost{flop: flop(s), bytes: bytes}), err
}

// DepthwiseConv2D makes a plan of the next layer.
func (p *profile) DepthwiseConv2D(s backend.DepthwiseSpec) (backend.Conv2D, error) {
	plan, err := p.Backend.DepthwiseConv2D(s)
	h, w := s.Window.Output(s.H, s.W)
	out := s.N * h * w * s.C * s.Multiplier
	detail := fmt.Sprintf("%dx%d %d, %dx%d", s.H, s.W, s.C, s.Window.Height, s.Window.Width)
	work := cost{flop: 2 * float64(out*s.Window.Taps()), bytes: p.activationBytes(s.N*s.H*s.W*s.C + out)}
	return p.linear(plan, "depthwise", detail, work), err
}

// Dense makes a plan of the next layer.
func (p *profile) Dense(s backend.DenseSpec) (backend.Dense, error) {
	plan, err := p.Backend.Dense(s)
	rows := s.Rows().Len()
	if rows < s.In {
		p.made-- // a block of the same layer as the last
	}
	work := cost{flop: 2 * float64(s.N*rows*s.Out), bytes: p.activationBytes(s.N*(rows+s.Out)) + floatBytes(rows*s.Out)}
	return p.linear(plan, "dense", fmt.Sprintf("%d→%d", s.In, s.Out), work), err
}

// linear is a convolution or a dense layer: all its passes have the same operands and work.
type linear struct {
	plan                   backend.Dense
	forward, kernel, input *call
}

func (p *profile) linear(plan backend.Dense, kind, detail string, work cost) *linear {
	p.made++
	of := func(pass string) *call { return p.call(name{p.layer(), kind, detail, pass}, work) }
	return &linear{plan, of(forwardPass), of(kernelPass), of(inputPass)}
}

func (l *linear) Forward(y, x, w, b tensor.Tensor) {
	defer l.forward.since(time.Now())
	l.plan.Forward(y, x, w, b)
}

func (l *linear) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	defer l.kernel.since(time.Now())
	l.plan.BackwardFilter(dw, db, dy, x)
}

func (l *linear) BackwardData(dx, dy, w tensor.Tensor) {
	defer l.input.since(time.Now())
	l.plan.BackwardData(dx, dy, w)
}

// batchNorm times a batch normalization.
type batchNorm struct {
	plan              backend.BatchNorm
	forward, backward *call
}

// BatchNorm makes a plan that belongs to the layer before it.
func (p *profile) BatchNorm(s backend.BatchNormSpec) (backend.BatchNorm, error) {
	plan, err := p.Backend.BatchNorm(s)
	x, y, detail := s.Shape.Size(), s.Shape.Size(), pixels(s.Shape)
	if s.Function.IsRectifier() {
		detail += ", ReLU"
	} else if s.Function.Kind != tensor.Identity {
		detail += ", " + string(s.Function.Kind)
	}
	if s.Pool {
		n, h, w, c := s.Shape.NHWC()
		y = n * (h / 2) * (w / 2) * c
		detail += ", pool"
	}
	forward, backward := p.passes("batch norm", detail, x, y)
	return &batchNorm{plan, forward, backward}, err
}

func (b *batchNorm) Forward(y, x, gamma, beta, mean, variance tensor.Tensor) {
	defer b.forward.since(time.Now())
	b.plan.Forward(y, x, gamma, beta, mean, variance)
}

func (b *batchNorm) Infer(y, x, gamma, beta, mean, variance tensor.Tensor) {
	defer b.forward.since(time.Now())
	b.plan.Infer(y, x, gamma, beta, mean, variance)
}

func (b *batchNorm) Backward(dx, dgamma, dbeta, dy, x, gamma, beta tensor.Tensor) {
	defer b.backward.since(time.Now())
	b.plan.Backward(dx, dgamma, dbeta, dy, x, gamma, beta)
}

// passes makes the calls of a plan from x to y whose backward pass reads dy and x and writes dx.
func (p *profile) passes(kind, detail string, x, y int) (forward, backward *call) {
	n := name{p.layer(), kind, detail, forwardPass}
	forward = p.call(n, cost{bytes: p.activationBytes(x + y)})
	n.pass = backwardPass
	return forward, p.call(n, cost{bytes: p.activationBytes(2*x + y)})
}

// pixels writes the shape of one image of a batch.
func pixels(s tensor.Shape) string {
	if len(s) == 2 {
		return fmt.Sprint(s[1])
	}
	_, h, w, c := s.NHWC()
	return fmt.Sprintf("%dx%d %d", h, w, c)
}

// activation times a plan without parameters.
type activation struct {
	plan              backend.Activation
	forward, backward *call
}

// Pool makes a plan that belongs to the layer before it. In training, batch
// normalization includes a 2x2 max pool.
func (p *profile) Pool(s backend.PoolSpec) (backend.Activation, error) {
	plan, err := p.Backend.Pool(s)
	n, h, w, c := s.Shape.NHWC()
	h, w = s.Window.Output(h, w)
	kind := "max pool"
	if s.Kind == backend.AveragePool {
		kind = "average pool"
	}
	forward, backward := p.passes(kind, pixels(s.Shape), s.Shape.Size(), n*h*w*c)
	return &activation{plan, forward, backward}, err
}

// Pad makes a plan that belongs to the layer before it.
func (p *profile) Pad(s backend.PadSpec) (backend.Activation, error) {
	plan, err := p.Backend.Pad(s)
	n, h, w, c := s.Shape.NHWC()
	forward, backward := p.passes("pad", pixels(s.Shape), s.Shape.Size(), n*(s.Top+h+s.Bottom)*(s.Left+w+s.Right)*c)
	backward.work = forward.work // it does not read x
	return &activation{plan, forward, backward}, err
}

// Flatten makes a plan that belongs to the layer before it.
func (p *profile) Flatten(shape tensor.Shape) (backend.Activation, error) {
	plan, err := p.Backend.Flatten(shape)
	forward, backward := p.passes("flatten", pixels(shape), shape.Size(), shape.Size())
	backward.work = forward.work // it does not read x
	return &activation{plan, forward, backward}, err
}

// Dropout makes a plan that belongs to the layer before it.
func (p *profile) Dropout(s backend.DropoutSpec) (backend.Activation, error) {
	plan, err := p.Backend.Dropout(s)
	forward, backward := p.passes("dropout", pixels(s.Shape), s.Shape.Size(), s.Shape.Size())
	backward.work = forward.work
	return &activation{plan, forward, backward}, err
}

// Function makes a plan that belongs to the layer before it.
func (p *profile) Function(shape tensor.Shape, f tensor.Function) (backend.Activation, error) {
	plan, err := p.Backend.Function(shape, f)
	forward, backward := p.passes("function", fmt.Sprintf("%s, %s", pixels(shape), f.Kind), shape.Size(), shape.Size())
	return &activation{plan, forward, backward}, err
}

// Softmax makes a plan that belongs to the layer before it.
func (p *profile) Softmax(shape tensor.Shape) (backend.Activation, error) {
	plan, err := p.Backend.Softmax(shape)
	forward, backward := p.passes("softmax", pixels(shape), shape.Size(), shape.Size())
	return &activation{plan, forward, backward}, err
}

func (a *activation) Forward(y, x tensor.Tensor) {
	defer a.forward.since(time.Now())
	a.plan.Forward(y, x)
}

func (a *activation) Backward(dx, dy, x tensor.Tensor) {
	defer a.backward.since(time.Now())
	a.plan.Backward(dx, dy, x)
}

// merge times a plan of several inputs.
type merge struct {
	plan              backend.Merge
	forward, backward *call
}

// Add makes a plan that belongs to the layer before it.
func (p *profile) Add(s backend.AddSpec) (backend.Merge, error) {
	plan, err := p.Backend.Add(s)
	detail, size := pixels(s.Shape), s.Shape.Size()
	if s.Function.Kind != tensor.Identity {
		detail += ", " + string(s.Function.Kind)
	}
	forward, backward := p.passes("add", detail, s.Inputs*size, size)
	backward.work.bytes = p.activationBytes(2 * size) // dy and dx
	if s.Function.Kind != tensor.Identity {
		backward.work.bytes += p.activationBytes(s.Inputs * size)
	}
	return &merge{plan, forward, backward}, err
}

// Concat makes a plan that belongs to the layer before it.
func (p *profile) Concat(s backend.ConcatSpec) (backend.Merge, error) {
	plan, err := p.Backend.Concat(s)
	size := 0
	for _, x := range s.Shapes {
		size += x.Size()
	}
	forward, backward := p.passes("concat", pixels(s.Shapes[0]), size, size)
	backward.work = forward.work
	return &merge{plan, forward, backward}, err
}

func (m *merge) Forward(y tensor.Tensor, xs []tensor.Tensor) {
	defer m.forward.since(time.Now())
	m.plan.Forward(y, xs)
}

func (m *merge) Backward(dxs []tensor.Tensor, dy tensor.Tensor, xs []tensor.Tensor) {
	defer m.backward.since(time.Now())
	m.plan.Backward(dxs, dy, xs)
}

// loss times a softmax with its loss.
type loss struct {
	plan              backend.Loss
	forward, backward *call
}

// Loss makes a plan that belongs to all of the network.
func (p *profile) Loss(s backend.LossSpec) (backend.Loss, error) {
	plan, err := p.Backend.Loss(s)
	of := func(pass string, elements int) *call {
		return p.call(name{kind: "loss", pass: pass}, cost{bytes: floatBytes(s.N) + p.activationBytes(elements)})
	}
	return &loss{plan, of(forwardPass, s.N*s.Classes), of(backwardPass, 2*s.N*s.Classes)}, err
}

func (l *loss) Forward(logits, labels tensor.Tensor) {
	defer l.forward.since(time.Now())
	l.plan.Forward(logits, labels)
}

func (l *loss) Backward(dlogits, logits, labels tensor.Tensor) {
	defer l.backward.since(time.Now())
	l.plan.Backward(dlogits, logits, labels)
}

// optimizer times the update of the parameters. Penalty is outside of a step.
type optimizer struct {
	backend.Optimizer
	update *call
}

// SGD makes a plan that belongs to no layer.
func (p *profile) SGD(s backend.SGDSpec) (backend.Optimizer, error) {
	plan, err := p.Backend.SGD(s)
	return p.optimizer(plan, "SGD", s.Size, 5), err // it reads w, v and g, and writes w and v
}

// AdamW makes a plan that belongs to no layer.
func (p *profile) AdamW(s backend.AdamWSpec) (backend.Optimizer, error) {
	plan, err := p.Backend.AdamW(s)
	return p.optimizer(plan, "AdamW", s.Size, 7), err // it reads w, m, v and g, and writes w, m and v
}

func (p *profile) optimizer(plan backend.Optimizer, kind string, size, tensors int) *optimizer {
	return &optimizer{plan, p.call(name{kind: kind, detail: digits.Group(size), pass: "update"}, cost{bytes: floatBytes(tensors * size)})}
}

func (o *optimizer) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	defer o.update.since(time.Now())
	o.Optimizer.Step(w, state, g)
}
