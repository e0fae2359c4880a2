package bench

import (
	"slices"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// profile is a backend that times every call of its plans, and keeps the times of the fastest step.
// A step lasts from the end of one Run to the end of the next. The backend below must have finished
// its work when a call returns, as the CPU's has. A function that the layer before computes has no
// time of its own.
type profile struct {
	backend.Backend
	*profiled
}

// profiled is what a backend and its scopes have measured.
type profiled struct {
	element float64  // bytes of an element of activations; parameters have 4
	steps   int      // that a batch takes: several in inference, if a backend divides it
	layers  []string // of the network that have a kernel, in order
	made    int      // plans for them: a network may be compiled several times
	batch   *call    // Write
	calls   []*call  // in the order of their plans
	ended   time.Time
	fastest time.Duration // 0 until there was a step
}

// call is a method of one plan.
type call struct {
	name
	work       cost // of one call, without the time
	step, best cost // in the step that runs, and in the fastest
}

// name identifies what a call computes.
type name struct {
	layer  string // the convolution or dense layer that it is or follows; "" for the whole network
	kind   string
	detail string
	pass   string
}

// cost is a time with its work.
type cost struct {
	seconds float64
	flop    float64 // floating-point operations of a convolution or dense layer
	bytes   float64 // the least traffic: each operand once
}

func (c *cost) add(d cost) {
	c.seconds += d.seconds
	c.flop += d.flop
	c.bytes += d.bytes
}

// The passes of a plan.
const (
	forwardPass = "forward"
	kernelPass  = "kernel gradient"
	inputPass   = "input gradient"
	// backwardPass computes the gradients of the input and of any parameters.
	backwardPass = "backward"
)

// newProfile returns a profile of the network on b, whose activations have the given precision.
func newProfile(b backend.Backend, net *nn.Network, precision string) *profile {
	p := &profile{b, &profiled{element: 4, steps: 1}}
	if precision == "bf16" {
		p.element = 2
	}
	for _, l := range net.Table {
		switch l.Class {
		case "SeparableConv2D": // two plans
			p.layers = append(p.layers, l.Name, l.Name)
		case "Conv2D", "DepthwiseConv2D", "Dense":
			p.layers = append(p.layers, l.Name)
		}
	}
	p.batch = p.call(name{kind: "batch", pass: "write"}, cost{})
	return p
}

// Scope returns a scope of the backend. The profile times its calls with the others.
func (p *profile) Scope() backend.Backend { return &profile{p.Backend.Scope(), p.profiled} }

// InferenceBatch notes how many steps a batch takes.
func (p *profile) InferenceBatch(s backend.InferenceSpec) int {
	n := p.Backend.InferenceBatch(s)
	p.steps = s.N / n
	return n
}

// seconds returns the time of a batch in the fastest steps.
func (p *profile) seconds() float64 { return float64(p.steps) * p.fastest.Seconds() }

// layer returns the layer of the last plan, or the first layer for what comes before it.
func (p *profile) layer() string { return p.layers[max(0, p.made-1)%len(p.layers)] }

// call adds a call of a plan.
func (p *profile) call(n name, work cost) *call {
	c := &call{name: n, work: work}
	p.calls = append(p.calls, c)
	return c
}

// since adds a call that began at start and has just ended: it is deferred.
func (c *call) since(start time.Time) {
	c.step.add(cost{time.Since(start).Seconds(), c.work.flop, c.work.bytes})
}

// costs returns the calls of the fastest step, as often as a batch takes one: those of the layers,
// summed over the blocks of a layer, then those of the whole network.
func (p *profile) costs() (names []name, costs []cost) {
	for _, ofLayers := range []bool{true, false} {
		for _, c := range p.calls {
			if (c.layer != "") != ofLayers || c.best == (cost{}) {
				continue
			}
			i := slices.Index(names, c.name)
			if !ofLayers || i < 0 {
				i = len(names)
				names, costs = append(names, c.name), append(costs, cost{})
			}
			for range p.steps {
				costs[i].add(c.best)
			}
		}
	}
	return names, costs
}

// Record records a step whose runs are timed.
func (p *profile) Record(f func()) backend.Step { return &profiledStep{p.Backend.Record(f), p} }

type profiledStep struct {
	backend.Step
	p *profile
}

// Run runs a step, and keeps its times if it is the fastest.
func (s *profiledStep) Run(v backend.StepValues) error {
	p := s.p
	err := s.Step.Run(v)
	began := p.ended
	p.ended = time.Now()
	step := p.ended.Sub(began)
	isFastest := !began.IsZero() && (p.fastest == 0 || step < p.fastest)
	if isFastest {
		p.fastest = step
	}
	for _, c := range p.calls {
		if isFastest {
			c.best = c.step
		}
		c.step = cost{}
	}
	return err
}

// Write belongs to the next step.
func (p *profile) Write(dst tensor.Tensor, src []float32) error {
	p.batch.work.bytes = floatBytes(len(src)) + p.activationBytes(len(src))
	defer p.batch.since(time.Now())
	return p.Backend.Write(dst, src)
}
