package backendtest

import (
	"fmt"
	"math"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// lossPasses runs Forward and Backward in one Run and returns what it measured.
func lossPasses(d *device, n, classes int, logits, labels []float32, inPlace bool) (m backend.StepMetrics, dlogits []float32) {
	shape := tensor.Shape{n, classes}
	plan, err := d.Loss(backend.LossSpec{N: n, Classes: classes})
	p := must(d, plan, err)
	z, l := d.activation(shape, logits), d.parameter(tensor.Shape{n}, labels)
	dz := z
	if !inPlace {
		dz = d.empty(shape)
	}
	d.step(backend.StepValues{}, func() {
		p.Forward(z, l)
		p.Backward(dz, z, l)
	})
	d.unchanged("labels", l, labels)
	if !inPlace {
		d.unchanged("logits", z, logits)
	}
	measured := d.measured()
	if len(measured) != 1 {
		d.t.Fatalf("%d metrics of one Run", len(measured))
	}
	return measured[0], d.read(dz)
}

// lossCase checks a batch against the reference. An exponential or logarithm of float32
// is allowed 8u, u = 2⁻²⁴. The argument z − max(z) is rounded to u·|z − max(z)|, which the
// exponential makes a relative error.
func (s *suite) lossCase(n, classes int, logits, labels []float32, inPlace bool) {
	d, ref := s.device(), s.reference()
	logits = rounded(d, logits, tensor.Shape{n, classes})
	got, dgot := lossPasses(d, n, classes, logits, labels, inPlace)
	want, dwant := lossPasses(ref, n, classes, logits, labels, inPlace)

	z := widen(logits)
	tolerance := make([]float64, len(z))
	lossTolerance := 0.0
	sum := 8*unit + sumError(classes) // relative error of Σ exp(z − max)
	for i := range n {
		row := z[i*classes:][:classes]
		lse, best := logSumExp(row)
		spread := row[best] - row[int(labels[i])]
		lossTolerance += ((2+spread)*4*unit + 2*sum) / float64(n)
		for c, v := range row {
			p := math.Exp(v - lse)
			e := p*(8*unit+(row[best]-v)*unit+2*sum) + 2*unit // of p, and p − onehot
			tolerance[i*classes+c] = e/float64(n) + s.Unit*math.Abs(float64(dwant[i*classes+c])) + 0x1p-126
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

func (s *suite) softmaxLoss() {
	for _, n := range []int{1, 2, 5, 16, 33, 128} {
		for _, classes := range []int{1, 2, 3, 10, 17, 100} {
			for _, scale := range []float64{1.5, 60, 1e4} {
				s.run(fmt.Sprintf("n%d_classes%d_scale%g", n, classes, scale), func(s *suite) {
					labels := make([]float32, n)
					for i := range labels {
						labels[i] = float32(s.rng.IntN(classes))
					}
					s.lossCase(n, classes, s.normal(n*classes, scale), labels, n%2 == 0)
				})
			}
		}
	}
	s.run("extreme", func(s *suite) {
		s.lossCase(4, 3, []float32{
			1e4, -1e4, 0,
			-1e4, 1e4, 0,
			-1e4, -1e4, -1e4,
			100, 0, -100,
		}, []float32{0, 0, 1, 2}, false)
	})
	s.run("first of equals", func(s *suite) {
		logits := []float32{1, 1, 0, 1, 1, 0, 0, 2, 2, 0, 2, 2, 3, 3, 3}
		s.lossCase(5, 3, logits, []float32{0, 1, 1, 2, 0}, true) // right, wrong, right, wrong, right
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
		{"ranges", 1023, []backend.Decay{{Offset: 5, Size: 17, Lambda: lambda}, {Offset: 22, Size: 1, Lambda: 0.1}, {Offset: 64, Size: 64, Lambda: 0}, {Offset: 131, Size: 500, Lambda: 2 * lambda}, {Offset: 1020, Size: 3, Lambda: 1}}},
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
