package backendtest

import (
	"fmt"
	"math"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// lossData are the inputs of a Loss plan; weights are those of its spec, or nil.
type lossData struct{ logits, labels, weights []float32 }

// lossPasses runs Forward and Backward in one Run and returns what it measured.
func lossPasses(d *device, spec backend.LossSpec, in lossData, inPlace bool) (
	m backend.StepMetrics, dlogits []float32) {
	shape := tensor.Shape{spec.N, len(in.logits) / spec.N}
	if len(in.weights) > 0 {
		spec.Weights = d.parameter(tensor.Shape{spec.Classes}, in.weights)
	}
	plan, err := d.Loss(spec)
	p := must(d, plan, err)
	z, l := d.activation(shape, in.logits), d.parameter(tensor.Shape{spec.N}, in.labels)
	dz := z
	if !inPlace {
		dz = d.empty(shape)
	}
	d.step(backend.StepValues{}, func() {
		p.Forward(z, l)
		p.Backward(dz, z, l)
	})
	d.unchanged("labels", l, in.labels)
	if len(in.weights) > 0 {
		d.unchanged("weights", spec.Weights, in.weights)
	}
	if !inPlace {
		d.unchanged("logits", z, in.logits)
	}
	measured := d.measured()
	if len(measured) != 1 {
		d.t.Fatalf("%d metrics of one Run", len(measured))
	}
	return measured[0], d.read(dz)
}

// lossCase checks a batch against the reference. An exponential or logarithm of float32
// is allowed 8u, u = 2⁻²⁴. The argument z − max(z) is rounded to u·|z − max(z)|, which the
// exponential makes a relative error. Targets and their products are allowed 4u.
func (s *suite) lossCase(spec backend.LossSpec, in lossData, inPlace bool) {
	d, ref := s.device(), s.reference()
	n, classes := spec.N, spec.Classes
	outputs := len(in.logits) / n
	in.logits = rounded(d, in.logits, tensor.Shape{n, outputs})
	got, dgot := lossPasses(d, spec, in, inPlace)
	want, dwant := lossPasses(ref, spec, in, inPlace)

	l, z := loss{LossSpec: spec}, widen(in.logits)
	tolerance := make([]float64, len(z))
	lossTolerance := 0.0
	sum := 8*unit + sumError(classes) // relative error of Σ exp(z − max)
	for i := range n {
		row, label := l.row(z, i), int(in.labels[i])
		share := 1 / float64(n)
		if len(in.weights) > 0 {
			share *= float64(in.weights[label])
		}
		lse, best := logSumExp(row)
		for c, v := range row {
			t, spread := l.target(c, label), row[best]-v
			lossTolerance += share * t * ((2+spread)*8*unit + 2*sum)
			if at := i*outputs + c - (classes - outputs); c >= classes-outputs {
				p := math.Exp(v - lse)
				e := p*(8*unit+spread*unit+2*sum) + 2*unit + 4*unit*math.Abs(p-t) // of p, and p − t
				tolerance[at] = e*share + s.Unit*math.Abs(float64(dwant[at])) + 0x1p-126
			}
		}
	}
	if got.Images != n || got.Correct != want.Correct || got.Penalty != 0 {
		s.Errorf("measured %+v, want %+v", got, want)
	}
	if !(math.Abs(got.Loss-want.Loss) <= lossTolerance) {
		s.Errorf("loss %g, want %g: tolerance %.3g", got.Loss, want.Loss, lossTolerance)
	}
	near(s.T, "dlogits", dgot, dwant, func(i int) float64 { return tolerance[i] })
}

// losses checks the forms of cross-entropy.
func (s *suite) losses() {
	for _, n := range []int{1, 5, 33, 128} {
		for _, classes := range []int{2, 10, 17} {
			for _, sigmoid := range []bool{false, true} {
				for _, smoothing := range []float32{0, 0.1} {
					for _, weighted := range []bool{false, true} {
						if sigmoid && classes != 2 || !sigmoid && !weighted && smoothing == 0 {
							continue
						}
						spec := backend.LossSpec{N: n, Classes: classes, Sigmoid: sigmoid, Smoothing: smoothing}
						s.run(fmt.Sprintf("n%d_classes%d_sigmoid_%t_smoothing_%g_weighted_%t",
							n, classes, sigmoid, smoothing, weighted), func(s *suite) {
							outputs := classes
							if sigmoid {
								outputs = 1
							}
							in := lossData{logits: s.normal(n*outputs, 4), labels: make([]float32, n)}
							in.logits[0] = 0 // which is class 0 of a sigmoid
							for i := range in.labels {
								in.labels[i] = float32(s.rng.IntN(classes))
							}
							if weighted {
								in.weights = absolute(s.normal(classes, 2))
								in.weights[1] = 0
							}
							s.lossCase(spec, in, n%2 == 0)
						})
					}
				}
			}
		}
	}
	s.run("extreme sigmoid", func(s *suite) {
		s.lossCase(backend.LossSpec{N: 4, Classes: 2, Sigmoid: true},
			lossData{logits: []float32{1e4, 1e4, -1e4, -1e4}, labels: []float32{0, 1, 0, 1}}, false)
	})
}

func (s *suite) softmaxLoss() {
	for _, n := range []int{1, 2, 5, 16, 33, 128} {
		for _, classes := range []int{1, 2, 3, 10, 17, 100} {
			for _, scale := range []float64{1.5, 60, 1e4} {
				s.run(fmt.Sprintf("n%d_classes%d_scale%g", n, classes, scale), func(s *suite) {
					labels := make([]float32, n)
					for i := range labels {
						labels[i] = float32(s.rng.IntN(classes))
					}
					s.lossCase(backend.LossSpec{N: n, Classes: classes}, lossData{logits: s.normal(n*classes, scale), labels: labels}, n%2 == 0)
				})
			}
		}
	}
	s.run("extreme", func(s *suite) {
		s.lossCase(backend.LossSpec{N: 4, Classes: 3}, lossData{logits: []float32{
			1e4, -1e4, 0,
			-1e4, 1e4, 0,
			-1e4, -1e4, -1e4,
			100, 0, -100,
		}, labels: []float32{0, 0, 1, 2}}, false)
	})
	s.run("first of equals", func(s *suite) {
		logits := []float32{1, 1, 0, 1, 1, 0, 0, 2, 2, 0, 2, 2, 3, 3, 3}
		s.lossCase(backend.LossSpec{N: 5, Classes: 3}, lossData{logits: logits, labels: []float32{0, 1, 1, 2, 0}}, true) // right, wrong, right, wrong, right
	})
}

// sgdStep runs one step on a backend and returns the weights, velocities and penalty.
func sgdStep(d *device, spec backend.SGDSpec, lr float32, w, v, g []float32) (w2, v2 []float32, penalty float64) {
	shape := tensor.Shape{spec.Size}
	plan, err := d.SGD(spec)
	p := must(d, plan, err)
	wt, vt, gt := d.parameter(shape, w), d.parameter(shape, v), d.parameter(shape, g)
	d.step(backend.StepValues{LearningRate: lr}, func() { p.Step(wt, []tensor.Tensor{vt}, gt) })
	m := d.measured()
	return d.read(wt), d.read(vt), m[len(m)-1].Penalty
}

func (s *suite) sgd() {
	s.run("of slices", func(s *suite) { s.sgdOfSlices() })
	const lambda = 0.0005
	for _, c := range []struct {
		name  string
		size  int
		decay []backend.Decay
	}{
		{"none", 33, nil},
		{"one", 1, []backend.Decay{{Offset: 0, Size: 1, Lambda: lambda}}},
		{"all", 1000, []backend.Decay{{Offset: 0, Size: 1000, Lambda: lambda}}},
		{"ranges", 1023, []backend.Decay{{Offset: 5, Size: 17, Lambda: lambda}, {Offset: 22, Size: 1, Lambda: 0.1},
			{Offset: 64, Size: 64, Lambda: 0}, {Offset: 131, Size: 500, Lambda: 2 * lambda}, {Offset: 1020, Size: 3, Lambda: 1}}},
		{"large", 300_007, []backend.Decay{{Offset: 3, Size: 200_000, Lambda: lambda}, {Offset: 200_100, Size: 99_000, Lambda: 0.01}}},
	} {
		for _, momentum := range []float32{0, 0.9} {
			for _, nesterov := range []bool{false, true} {
				spec := backend.SGDSpec{Size: c.size, Decay: c.decay, Momentum: momentum, Nesterov: nesterov}
				s.run(fmt.Sprintf("%s_momentum_%g_nesterov_%t", c.name, momentum, nesterov), func(s *suite) { s.sgdCase(spec) })
			}
		}
	}
}

// sgdCase replays steps of one key, at several learning rates, each from where the
// backend under test is.
func (s *suite) sgdCase(spec backend.SGDSpec) {
	d, ref := s.device(), s.reference()
	shape := tensor.Shape{spec.Size}
	plan, err := d.SGD(spec)
	p := must(d, plan, err)
	w, v, g := s.normal(spec.Size, 0.1), s.normal(spec.Size, 0.01), s.normal(spec.Size, 1)
	wt, vt, gt := d.parameter(shape, w), d.parameter(shape, v), d.parameter(shape, g)
	lambda := make([]float64, spec.Size)
	for _, r := range spec.Decay {
		for i := range r.Size {
			lambda[r.Offset+i] = float64(r.Lambda)
		}
	}
	for _, lr := range []float32{0.1, 0.1, 0.003, 0} {
		d.write(gt, g)
		d.replay("step", backend.StepValues{LearningRate: lr}, func() { p.Step(wt, []tensor.Tensor{vt}, gt) })
		wantW, wantV, wantPenalty := sgdStep(ref, spec, lr, w, v, g)
		gotW, gotV, m := d.read(wt), d.read(vt), d.measured()
		// Eight roundings of no more than all that is added up.
		terms := func(i int) float64 {
			grad := math.Abs(float64(g[i])) + 2*lambda[i]*math.Abs(float64(w[i]))
			return math.Abs(float64(v[i])) + 2*float64(lr)*grad
		}
		near(s.T, "v", gotV, wantV, func(i int) float64 { return 8 * unit * terms(i) })
		near(s.T, "w", gotW, wantW, func(i int) float64 { return 8 * unit * (math.Abs(float64(w[i])) + terms(i)) })
		if len(m) != 1 || !(math.Abs(m[0].Penalty-wantPenalty) <= sumError(spec.Size)*wantPenalty) {
			s.Errorf("measured %+v, want a penalty of %g", m, wantPenalty)
		}
		w, v, g = gotW, gotV, s.normal(spec.Size, 1)
	}
	d.step(backend.StepValues{LearningRate: 1}, func() { p.Penalty(wt) })
	d.unchanged("w", wt, w)
	d.unchanged("v", vt, v)
	want := 0.0
	for i, x := range w {
		want += lambda[i] * float64(x) * float64(x)
	}
	if m := d.measured(); len(m) != 1 || !(math.Abs(m[0].Penalty-want) <= sumError(spec.Size)*want) {
		s.Errorf("measured %+v, want a penalty of %g", m, want)
	}
}

// sgdOfSlices steps on two ranges of one tensor that share a gradient buffer: their penalties are
// added.
func (s *suite) sgdOfSlices() {
	d, ref := s.device(), s.reference()
	const size, lr = 300, 0.1
	ranges := []struct{ from, to int }{{100, size}, {0, 100}}
	w, v, g := s.normal(size, 0.1), s.normal(size, 0.01), s.normal(size, 1)
	wt, vt, gt := d.parameter(tensor.Shape{size}, w), d.parameter(tensor.Shape{size}, v), d.parameter(tensor.Shape{size}, g)
	wantW, wantV, wantPenalty := make([]float32, size), make([]float32, size), 0.0
	var steps []func()
	for i, slice := range ranges {
		shape := tensor.Shape{slice.to - slice.from}
		spec := backend.SGDSpec{Size: shape.Size(), Decay: []backend.Decay{{Offset: 1, Size: 50, Lambda: 0.1 * float32(i+1)}}, Momentum: 0.9, Nesterov: true}
		plan, err := d.SGD(spec)
		p := must(d, plan, err)
		steps = append(steps, func() {
			p.Step(d.View(wt, slice.from, shape), []tensor.Tensor{d.View(vt, slice.from, shape)}, d.View(gt, 0, shape))
		})
		sliceW, sliceV, penalty := sgdStep(ref, spec, lr, w[slice.from:slice.to], v[slice.from:slice.to], g[:shape.Size()])
		copy(wantW[slice.from:], sliceW)
		copy(wantV[slice.from:], sliceV)
		wantPenalty += penalty
	}
	d.step(backend.StepValues{LearningRate: lr}, func() {
		for _, step := range steps {
			step()
		}
	})
	near(s.T, "w", d.read(wt), wantW, func(int) float64 { return 8 * unit })
	near(s.T, "v", d.read(vt), wantV, func(int) float64 { return 8 * unit })
	if m := d.measured(); len(m) != 1 || !(math.Abs(m[0].Penalty-wantPenalty) <= sumError(size)*wantPenalty) {
		s.Errorf("measured %+v, want a penalty of %g", m, wantPenalty)
	}
}

// adamWStep runs one step on a backend and returns the weights, the moments and the penalty.
func adamWStep(d *device, spec backend.AdamWSpec, values backend.StepValues, w, m, v, g []float32) (
	w2, m2, v2 []float32, penalty float64) {
	shape := tensor.Shape{spec.Size}
	plan, err := d.AdamW(spec)
	p := must(d, plan, err)
	wt, mt, vt, gt := d.parameter(shape, w), d.parameter(shape, m), d.parameter(shape, v), d.parameter(shape, g)
	d.step(values, func() { p.Step(wt, []tensor.Tensor{mt, vt}, gt) })
	measured := d.measured()
	return d.read(wt), d.read(mt), d.read(vt), measured[len(measured)-1].Penalty
}

func (s *suite) adamW() {
	for _, c := range []struct {
		name  string
		size  int
		decay []backend.Decay
	}{
		{"one", 1, nil},
		{"none", 33, nil},
		{"ranges", 1023, []backend.Decay{{Offset: 5, Size: 17, Lambda: 0.1}, {Offset: 22, Size: 1, Lambda: 1},
			{Offset: 131, Size: 500, Lambda: 0.01}, {Offset: 1020, Size: 3, Lambda: 1}}},
		{"large", 100_007, []backend.Decay{{Offset: 3, Size: 60_000, Lambda: 0.01}}},
	} {
		for _, spec := range []backend.AdamWSpec{
			{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-7},
			{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-3, WeightDecay: 0.05},
			{Beta1: 0, Beta2: 0.5, Epsilon: 1e-5, WeightDecay: 1},
		} {
			spec.Size, spec.Decay = c.size, c.decay
			s.run(fmt.Sprintf("%s_beta_%g_%g_epsilon_%g",
				c.name, spec.Beta1, spec.Beta2, spec.Epsilon), func(s *suite) { s.adamWCase(spec) })
		}
	}
}

// adamWCase replays steps at several learning rates, each from where the backend under test is.
func (s *suite) adamWCase(spec backend.AdamWSpec) {
	d, ref := s.device(), s.reference()
	shape := tensor.Shape{spec.Size}
	plan, err := d.AdamW(spec)
	p := must(d, plan, err)
	w, g := s.normal(spec.Size, 0.1), s.normal(spec.Size, 1)
	m, v := make([]float32, spec.Size), make([]float32, spec.Size)
	wt, mt, vt, gt := d.parameter(shape, w), d.parameter(shape, m), d.parameter(shape, v), d.parameter(shape, g)
	lambda := newPenalty(nil, spec.Size, spec.Decay).lambda
	beta1, beta2, epsilon := float64(spec.Beta1), float64(spec.Beta2), float64(spec.Epsilon)
	for i, values := range []backend.StepValues{{LearningRate: 0.1}, {LearningRate: 0.1, Step: 1}, {LearningRate: 0.003, Step: 1000}, {LearningRate: 0, Step: 1 << 33}} {
		for j := range g {
			g[j] *= float32(math.Pow(10, float64((i+j)%4-2))) // gradients of several sizes
		}
		d.write(gt, g)
		d.replay("step", values, func() { p.Step(wt, []tensor.Tensor{mt, vt}, gt) })
		wantW, wantM, wantV, wantPenalty := adamWStep(ref, spec, values, w, m, v, g)
		gotW, gotM, gotV, measured := d.read(wt), d.read(mt), d.read(vt), d.measured()
		d.unchanged("g", gt, g)

		// The roundings of m + (d − m)·(1 − β1) and of v + (d² − v)·(1 − β2), d = g + 2λw, are bounded
		// by u of each term.
		gradient := func(i int) (d, e float64) {
			d = math.Abs(float64(g[i])) + 2*lambda[i]*math.Abs(float64(w[i]))
			return d, 3 * unit * d
		}
		ofM := func(i int) float64 {
			d, e := gradient(i)
			return 2*unit*math.Abs(float64(m[i])) + (1-beta1)*(e+4*unit*(d+math.Abs(float64(m[i]))))
		}
		ofV := func(i int) float64 {
			d, e := gradient(i)
			return 2*unit*float64(v[i]) + (1-beta2)*(2*d*e+4*unit*(d*d+float64(v[i]))) + 0x1p-126
		}
		near(s.T, "m", gotM, wantM, ofM)
		near(s.T, "v", gotV, wantV, ofV)
		t := float64(values.Step + 1)
		rate := float64(values.LearningRate) * math.Sqrt(1-math.Pow(beta2, t)) / (1 - math.Pow(beta1, t))
		near(s.T, "w", gotW, wantW, func(i int) float64 {
			root := math.Sqrt(float64(wantV[i]))
			ofRoot := math.Sqrt(float64(wantV[i])+ofV(i)) - root
			move := rate * math.Abs(float64(wantM[i])) / (root + epsilon)
			return 4*unit*math.Abs(float64(w[i])) + rate*ofM(i)/(root+epsilon) + move*(8*unit+2*ofRoot/(root+epsilon))
		})
		if len(measured) != 1 || !(math.Abs(measured[0].Penalty-wantPenalty) <= sumError(spec.Size)*wantPenalty) {
			s.Errorf("measured %+v, want a penalty of %g", measured, wantPenalty)
		}
		w, m, v, g = gotW, gotM, gotV, s.normal(spec.Size, 1)
	}
	d.step(backend.StepValues{LearningRate: 1}, func() { p.Penalty(wt) })
	d.unchanged("w", wt, w)
	d.unchanged("m", mt, m)
	d.unchanged("v", vt, v)
}

// metrics checks that each Step has those of its own Runs, in their order.
func (s *suite) metrics() {
	d := s.device()
	const classes = 4
	sgd, err := d.SGD(backend.SGDSpec{Size: 2, Decay: []backend.Decay{{Offset: 0, Size: 2, Lambda: 0.5}}})
	optimizer := must(d, sgd, err)
	w := d.parameter(tensor.Shape{2}, []float32{3, 1})
	// measuring returns a Step on n images and what a Run of it measures. Each image has the logits
	// 0, 0, 0, 0 and the label 0, but the first has 1: the loss is log 4, and the first of equals
	// is right for all but one.
	measuring := func(n int, penalty bool) (backend.Step, backend.StepMetrics) {
		var want backend.StepMetrics
		var calls []func()
		if n > 0 {
			plan, err := d.Loss(backend.LossSpec{N: n, Classes: classes})
			loss := must(d, plan, err)
			labels := make([]float32, n)
			labels[0] = 1
			logits := d.activation(tensor.Shape{n, classes}, make([]float32, n*classes))
			target := d.parameter(tensor.Shape{n}, labels)
			calls = append(calls, func() { loss.Forward(logits, target) })
			want.Images, want.Correct, want.Loss = n, n-1, math.Log(classes)
		}
		if penalty {
			calls = append(calls, func() { optimizer.Penalty(w) })
			want.Penalty = 5
		}
		return d.Record(func() {
			for _, call := range calls {
				call()
			}
		}), want
	}
	almost := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 16*unit*math.Abs(a) })
	expect := func(what string, step backend.Step, dst, want []backend.StepMetrics) {
		s.Helper()
		got, err := step.Metrics(dst)
		if diff := cmp.Diff(want, must(d, got, err), almost); diff != "" {
			s.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	run := func(step backend.Step) {
		s.Helper()
		if err := step.Run(backend.StepValues{}); err != nil {
			s.Fatal(err)
		}
	}
	// The Runs of several Steps take turns, and so do their Metrics.
	both, wantBoth := measuring(3, true)
	loss, wantLoss := measuring(8, false)
	penalty, wantPenalty := measuring(0, true)
	nothing, wantNothing := measuring(0, false)
	expect("before the first Run", both, nil, nil)
	for _, step := range []backend.Step{both, loss, nothing, both, penalty, both, loss} {
		run(step)
	}
	kept := []backend.StepMetrics{{Images: 99}}
	expect("loss and penalty", both, kept, append(kept, wantBoth, wantBoth, wantBoth))
	expect("after all were taken", both, nil, nil)
	run(loss)
	expect("loss", loss, nil, []backend.StepMetrics{wantLoss, wantLoss, wantLoss})
	expect("penalty", penalty, nil, []backend.StepMetrics{wantPenalty})
	expect("nothing", nothing, nil, []backend.StepMetrics{wantNothing})

	// MaxPending Runs of each Step are kept, and one more is a programmer's error.
	for range backend.MaxPending {
		run(both)
		run(loss)
	}
	func() {
		defer func() {
			if recover() == nil {
				s.Error("a Run more than MaxPending: no panic")
			}
		}()
		_ = both.Run(backend.StepValues{})
	}()
	expect("as many Runs as are kept", both, nil, slices.Repeat([]backend.StepMetrics{wantBoth}, backend.MaxPending))
	run(both)
	expect("after that", both, nil, []backend.StepMetrics{wantBoth})
	expect("the other Step", loss, nil, slices.Repeat([]backend.StepMetrics{wantLoss}, backend.MaxPending))
}
