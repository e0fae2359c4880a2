package bench

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/digits"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// buildSmall returns a network with a plan of every kind that VGG has.
func buildSmall(t *testing.T) *nn.Network {
	t.Helper()
	net, err := nn.Build(nn.Sequential{Input: tensor.Shape{32, 32, 3}, Classes: 10, Layers: []nn.Layer{
		nn.Conv2D{Name: "first", Filters: 4, Kernel: 3, L2: 0.01}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{},
		nn.Conv2D{Name: "second", Filters: 2, Kernel: 1}, nn.BatchNorm{}, nn.ReLU{},
		nn.Flatten{},
		nn.Dense{Name: "hidden", Units: 5}, nn.BatchNorm{}, nn.ReLU{}, nn.Dropout{Rate: 0.5},
		nn.Dense{Name: "last", Units: 10},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func openCPU(t *testing.T) *cpu.Backend {
	t.Helper()
	b, err := cpu.Open(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// sleeper is a backend whose calls only take time.
type sleeper struct {
	backend.Backend
	write, conv time.Duration
}

func (s *sleeper) Write(tensor.Tensor, []float32) error              { time.Sleep(s.write); return nil }
func (s *sleeper) Record(f func()) backend.Step                      { return sleepingStep{f: f} }
func (s *sleeper) Conv2D(backend.Conv2DSpec) (backend.Conv2D, error) { return sleepingConv{s}, nil }

type sleepingStep struct {
	backend.Step
	f func()
}

func (s sleepingStep) Run(backend.StepValues) error { s.f(); return nil }

type sleepingConv struct{ *sleeper }

func (s sleepingConv) Forward(_, _, _, _ tensor.Tensor)        { time.Sleep(s.conv) }
func (s sleepingConv) BackwardFilter(_, _, _, _ tensor.Tensor) { time.Sleep(2 * s.conv) }
func (s sleepingConv) BackwardData(_, _, _ tensor.Tensor)      { time.Sleep(3 * s.conv) }

// In a synctest bubble only sleeping takes time, so every time is exact.
func TestStepTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		b := new(sleeper)
		profileOf := func(training bool, steps [][3]time.Duration) *profile {
			p := newProfile(b, buildSmall(t), "fp32")
			// An image is 2x2 pixels: 16 taps on them, 64 elements in, 96 out.
			spec := backend.Conv2DSpec{N: 1000, H: 2, W: 2, In: 16, Out: 24, Window: tensor.Centered(3)}
			first, err := p.Conv2D(spec)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Conv2D(spec); err != nil { // never called, so it has no line
				t.Fatal(err)
			}
			for i, s := range steps {
				b.write, b.conv = s[0], s[1]
				if err := p.Write(nil, make([]float32, 1e6)); err != nil {
					t.Fatal(err)
				}
				step := p.Record(func() {
					time.Sleep(s[2])
					first.Forward(nil, nil, nil, nil)
					if training {
						first.BackwardFilter(nil, nil, nil, nil)
						first.BackwardData(nil, nil, nil)
					}
				})
				if err := step.Run(backend.StepValues{}); err != nil {
					t.Fatal(err)
				}
				if i == 0 && p.fastest != 0 {
					t.Errorf("the first Run counts as a step of %v", p.fastest)
				}
			}
			return p
		}
		// The first step has no beginning; the third is the fastest.
		train := profileOf(true, [][3]time.Duration{
			{1 * ms, 1 * ms, 0}, {4 * ms, 3 * ms, 5 * ms}, {3 * ms, 2 * ms, 5 * ms}, {1 * ms, 1 * ms, 30 * ms}})
		infer := profileOf(false, [][3]time.Duration{{1 * ms, 1 * ms, 0}, {1 * ms, 2 * ms, 1 * ms}})
		var out strings.Builder
		newStepTable(train, infer, 50).print(&output{&out, false})
		var got []string
		for line := range strings.Lines(out.String()) {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
		header := "layer kind pass ms share GFLOP/s peak MB GB/s infer ms share GFLOP/s peak"
		// 2·16·24·16·1000 operations of a pass on ((64 + 96)·1000 + 9·16·24)·4 bytes.
		want := []string{
			header,
			"first conv 2x2 16→24, 3x3 forward 2.00 10.0% 6.1 12 % 0.7 0.3 2.00 50.0% 6.1 12 %",
			"first conv 2x2 16→24, 3x3 kernel gradient 4.00 20.0% 3.1 6 % 0.7 0.2",
			"first conv 2x2 16→24, 3x3 input gradient 6.00 30.0% 2.0 4 % 0.7 0.1",
			"batch write 3.00 15.0% 8.0 2.7 1.00 25.0%",
			"sum 15.00 75.0% 2.5 5 % 10.0 0.7 3.00 75.0% 4.1 8 %",
			"whole step 20.00 100.0% 4.00 100.0%",
			"unexplained 5.00 25.0% 1.00 25.0%",
			"",
			header,
			"conv 12.00 60.0% 3.1 6 % 2.0 0.2 2.00 50.0% 6.1 12 %",
			"conv forward 2.00 10.0% 6.1 12 % 0.7 0.3 2.00 50.0% 6.1 12 %",
			"conv kernel gradient 4.00 20.0% 3.1 6 % 0.7 0.2",
			"conv input gradient 6.00 30.0% 2.0 4 % 0.7 0.1",
			"batch 3.00 15.0% 8.0 2.7 1.00 25.0%",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("want -, got +:\n%s", d)
		}
	})
}

// All calls of a network are there, each with the work of its definition.
func TestStepOfNetwork(t *testing.T) {
	const n = 3
	net := buildSmall(t)
	train, infer := newProfile(openCPU(t), net, "fp32"), newProfile(openCPU(t), net, "fp32")
	for i, p := range []*profile{train, infer} {
		if rate, err := imagesPerSecond(p, net, passes[i], n, 0); err != nil || !(rate > 0) {
			t.Fatal(rate, err)
		}
	}
	table := newStepTable(train, infer, 1)

	const (
		image, conv1, pool1, conv2 = n * 32 * 32 * 3, n * 32 * 32 * 4, n * 16 * 16 * 4, n * 16 * 16 * 2
		hidden, logits             = n * 5, n * 10
		kernel1, kernel2           = 3 * 3 * 3 * 4, 4 * 2
		dense1, dense2             = 16 * 16 * 2 * 5, 5 * 10
		taps1                      = (3*32 - 2) * (3*32 - 2) // on pixels
	)
	size := net.ParameterSize
	linear := func(flop, elements float64) cost { return cost{flop: flop, bytes: 4 * elements} }
	moves := func(elements int) cost { return linear(0, float64(elements)) }
	first := linear(n*2*taps1*3*4, image+conv1+kernel1)
	second := linear(n*2*16*16*4*2, pool1+conv2+kernel2)
	third, fourth := linear(n*2*dense1, conv2+hidden+dense1), linear(n*2*dense2, hidden+logits+dense2)
	const training, inference, both = "training", "inference", "both"
	want := []struct {
		name
		cost
		in string
	}{
		{name{"first", "conv", "32x32 3→4, 3x3", "forward"}, first, both},
		{name{"first", "conv", "32x32 3→4, 3x3", "kernel gradient"}, first, training},
		{name{"first", "batch norm", "32x32 4, ReLU, pool", "forward"}, moves(conv1 + pool1), training},
		{name{"first", "batch norm", "32x32 4, ReLU, pool", "backward"}, moves(2*conv1 + pool1), training},
		{name{"first", "max pool", "32x32 4", "forward"}, moves(conv1 + pool1), inference},
		{name{"second", "conv", "16x16 4→2, 1x1", "forward"}, second, both},
		{name{"second", "conv", "16x16 4→2, 1x1", "kernel gradient"}, second, training},
		{name{"second", "conv", "16x16 4→2, 1x1", "input gradient"}, second, training},
		{name{"second", "batch norm", "16x16 2, ReLU", "forward"}, moves(2 * conv2), training},
		{name{"second", "batch norm", "16x16 2, ReLU", "backward"}, moves(3 * conv2), training},
		{name{"second", "flatten", "16x16 2", "forward"}, moves(2 * conv2), both},
		{name{"second", "flatten", "16x16 2", "backward"}, moves(2 * conv2), training},
		{name{"hidden", "dense", "512→5", "forward"}, third, both},
		{name{"hidden", "dense", "512→5", "kernel gradient"}, third, training},
		{name{"hidden", "dense", "512→5", "input gradient"}, third, training},
		{name{"hidden", "batch norm", "5, ReLU", "forward"}, moves(2 * hidden), training},
		{name{"hidden", "batch norm", "5, ReLU", "backward"}, moves(3 * hidden), training},
		{name{"hidden", "dropout", "5", "forward"}, moves(2 * hidden), training},
		{name{"hidden", "dropout", "5", "backward"}, moves(2 * hidden), training},
		{name{"last", "dense", "5→10", "forward"}, fourth, both},
		{name{"last", "dense", "5→10", "kernel gradient"}, fourth, training},
		{name{"last", "dense", "5→10", "input gradient"}, fourth, training},
		{name{"", "batch", "", "write"}, moves(2*image + 2*n), both},
		{name{"", "SGD", digits.Group(size), "update"}, moves(5 * size), training},
		{name{"", "loss", "", "forward"}, moves(logits + n), training},
		{name{"", "loss", "", "backward"}, moves(2*logits + n), training},
	}
	if len(table.calls) != len(want) {
		t.Fatalf("%d calls, want %d: %+v", len(table.calls), len(want), table.calls)
	}
	for i, w := range want {
		got := table.calls[i]
		if got.name != w.name {
			t.Errorf("call %d is %+v, want %+v", i, got.name, w.name)
		}
		trainWork, inferBytes := w.cost, w.bytes
		switch {
		case w.kind == "batch":
			inferBytes = 4 * 2 * image // no labels
		case w.in == inference:
			trainWork = cost{}
		case w.in == training:
			inferBytes = 0
		}
		if got.train.flop != trainWork.flop || got.train.bytes != trainWork.bytes {
			t.Errorf("%+v: %v operations on %v bytes, want %v on %v", w.name, got.train.flop, got.train.bytes, trainWork.flop, trainWork.bytes)
		}
		if got.infer.bytes != inferBytes {
			t.Errorf("%+v: %v bytes in inference, want %v", w.name, got.infer.bytes, inferBytes)
		}
	}

	rest := table.unexplained()
	for _, seconds := range []float64{rest.train.seconds, rest.infer.seconds} {
		if !(seconds >= -1e-9) {
			t.Errorf("the calls take %v s longer than the whole step", -seconds)
		}
	}
	var kinds stepRow // those rows that are not of one pass
	for _, r := range table.byKind() {
		if r.pass == "" {
			kinds.train.add(r.train)
			kinds.infer.add(r.infer)
		}
	}
	sum := table.sum(name{})
	if kinds.train.flop != sum.train.flop || kinds.train.bytes != sum.train.bytes || kinds.infer.bytes != sum.infer.bytes ||
		!(math.Abs(kinds.train.seconds-sum.train.seconds) <= 1e-9) {
		t.Errorf("the kinds add up to %+v, the calls to %+v", kinds, sum)
	}
}

// The plans of the blocks of a layer have its name, and their work is one row.
func TestStepOfBlocks(t *testing.T) {
	p := newProfile(openCPU(t), buildSmall(t), "fp32")
	s := backend.DenseSpec{N: 2, In: 100, Out: 4}
	x, y, w := tensor.Shape{s.N, s.In}, tensor.Shape{s.N, s.Out}, tensor.Shape{s.In, s.Out}
	xs, ys := must(p.Activations(x)), must(p.Activations(y))
	flat, b := must(p.Parameters(w)), must(p.Parameters(tensor.Shape{s.Out}))
	ws := must(p.Kernel(flat, 0, w))
	must(p.Dense(s)).Forward(ys, xs, ws, b)
	for _, s.Slice = range []backend.Rows{{From: 0, To: 64}, {From: 64, To: 100}} {
		must(p.Dense(s)).BackwardFilter(p.View(flat, 0, tensor.Shape{s.Slice.Len(), s.Out}), nil, ys, xs)
	}
	s.Slice = backend.Rows{}
	must(p.Dense(s)).Forward(ys, xs, ws, b)
	for _, c := range p.calls {
		c.best = c.step
	}
	names, costs := p.costs()
	want := []name{
		{"first", "dense", "100→4", forwardPass}, {"first", "dense", "100→4", kernelPass}, {"second", "dense", "100→4", forwardPass}}
	if d := cmp.Diff(want, names, cmp.AllowUnexported(name{})); d != "" {
		t.Fatalf("want -, got +:\n%s", d)
	}
	for i, c := range costs {
		if want := float64(2 * s.N * s.In * s.Out); c.flop != want {
			t.Errorf("%+v: %v operations, want %v", names[i], c.flop, want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A network trains to the same bits when it is profiled.
func TestProfileChangesNothing(t *testing.T) {
	net := buildSmall(t)
	batch := newSameBatch(net.Input, 7)
	train := func(b backend.Backend) (weights [][]float32, history []nn.Row) {
		data := &nn.Images{Height: 32, Width: 32, Channels: 3, NumClasses: 10, Pixels: batch.images, Labels: batch.labels}
		trainer, err := nn.NewTrainer(b, net, nn.Config{Data: data, Validation: data, Epochs: 2, Batch: 4,
			Schedule: nn.Constant(0.01), Momentum: 0.9, Init: nn.HeNormal()})
		if err != nil {
			t.Fatal(err)
		}
		if err := trainer.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, w := range net.Weights {
			values, err := trainer.Model.Get(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			weights = append(weights, values)
		}
		for i := range trainer.History {
			trainer.History[i].ImagesPerSecond = 0
		}
		return weights, trainer.History
	}
	b := openCPU(t)
	wantWeights, wantHistory := train(b)
	weights, history := train(newProfile(b, net, "fp32"))
	if d := cmp.Diff(wantWeights, weights); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(wantHistory, history); d != "" {
		t.Error(d)
	}
}

func TestPrintMeans(t *testing.T) {
	program := func(framework, layout string, rates ...float64) *contender {
		c := new(contender)
		for _, r := range rates {
			c.count(result{Framework: framework, Layout: layout, ImagesPerSecond: r})
		}
		return c
	}
	var out strings.Builder
	printMeans(&output{&out, false},
		[]*contender{program("lamina cpu", "", 90, 100, 80), program("pytorch", "nhwc", 50, 40)},
		[]*contender{program("lamina cpu", "", 400), program("pytorch", "nhwc", 320)}, 10)
	want := []string{"ms", "ratio", "infer", "ms", "ratio",
		"lamina", "cpu", "100.0", "25.0", "pytorch,", "nhwc", "200.0", "2.00", "x", "31.2", "1.25", "x"}
	got := strings.Fields(strings.TrimPrefix(strings.TrimSpace(out.String()), "mean step of the best run"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +:\n%s", d)
	}
}
