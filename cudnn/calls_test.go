//go:build cudnn && cgo && linux

package cudnn

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// lines returns the log of the fake, and empties it.
func lines(t *testing.T, log string) []string {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// TestCallsOfAStep compares the calls of a step with what they are to be: launched one by one,
// recorded, and replayed.
func TestCallsOfAStep(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	b := openFake(t, Options{Precision: "bf16"})
	n := newSmallNetwork(t, b)
	lines(t, log)

	kernels := func(count int) []string { return slices.Repeat([]string{"cuLaunchKernel"}, count) }
	write := []string{"cuCtxSetCurrent", "cuEventSynchronize", "cuMemcpyHtoDAsync_v2", "cuEventRecord", "cuLaunchKernel", // images, converted
		"cuCtxSetCurrent", "cuEventSynchronize", "cuMemcpyHtoDAsync_v2", "cuEventRecord"} // labels
	state := []string{"cuCtxSetCurrent", "cuMemcpyHtoDAsync_v2"}
	step := slices.Concat(
		kernels(1),                                      // step_begin
		kernels(2), []string{"cudnnConvolutionForward"}, // kernel, 8 channels, conv, whose bias BatchNorm takes
		kernels(2),                                       // BatchNorm
		[]string{"cuMemcpyDtoDAsync_v2"},                 // Flatten
		kernels(1),                                       // Dropout
		kernels(1), []string{"cublasGemmEx"}, kernels(1), // weights, product, bias
		kernels(2),                           // loss
		[]string{"cublasGemmEx"}, kernels(1), // dw, db
		[]string{"cublasGemmEx"},                     // dx, of the weights that Forward has converted
		kernels(1), []string{"cuMemcpyDtoDAsync_v2"}, // Dropout, Flatten
		kernels(2),                                                         // BatchNorm
		kernels(1), []string{"cudnnConvolutionBackwardFilter"}, kernels(1), // 8 channels, dw, unpacked, and db, zero before BatchNorm
		kernels(1)) // SGD
	replay := []string{"cuGraphLaunch"}
	record := slices.Concat([]string{"cuStreamBeginCapture_v2"}, step,
		[]string{"cuStreamEndCapture", "+graph", "cuGraphInstantiateWithFlags", "cuGraphInstantiate", "+executable graph", "cuGraphDestroy", "-graph"}, replay)
	for i, want := range [][]string{step, record, replay, replay} {
		if err := n.step(uint64(i)); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range lines(t, log) {
			if line[0] == '+' || line[0] == '-' {
				line = line[:strings.LastIndex(line, " ")] // without its number
			}
			got = append(got, line)
		}
		if want := slices.Concat(write, state, want); !slices.Equal(got, want) {
			t.Errorf("step %d calls\n%q\nwant\n%q", i, got, want)
		}
	}
	// Another step is launched, recorded and replayed in its turn, whatever runs in between.
	steps := []backend.Step{b.Record(n.run), n.trained}
	for i, want := range []struct{ recorded, replayed bool }{{false, false}, {false, true}, {true, true}, {false, true}, {false, true}} {
		n.trained = steps[i%2]
		if err := n.step(9); err != nil {
			t.Fatal(err)
		}
		got := lines(t, log)
		if recorded := slices.Contains(got, "cuStreamBeginCapture_v2"); recorded != want.recorded {
			t.Errorf("run %d: recorded is %t", i, recorded)
		}
		if replayed := slices.Contains(got, "cuGraphLaunch"); replayed != want.replayed {
			t.Errorf("run %d: replayed is %t", i, replayed)
		}
	}
	for i, runs := range []int{3, 6} {
		metrics, err := steps[i].Metrics(nil)
		if must(t, metrics, err); len(metrics) != runs {
			t.Errorf("%d metrics of %d runs", len(metrics), runs)
		}
	}
	b.Close()
}

// TestBiasBeforeBatchNorm compares running statistics after a convolution with a bias: where the
// BatchNorm is in its step, and takes the bias without a launch, and where it is in another.
func TestBiasBeforeBatchNorm(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	b := openFake(t, Options{Deterministic: true})
	defer b.Close()
	const n, size, in, out = 3, 5, 4, 6
	shape, channels := tensor.Shape{n, size, size, out}, tensor.Shape{out}
	conv, err := b.Conv2D(backend.Conv2DSpec{N: n, H: size, W: size, In: in, Out: out, Window: tensor.Centered(3), BatchNorm: true})
	must(t, conv, err)
	norm, err := b.BatchNorm(backend.BatchNormSpec{Shape: shape, Epsilon: 1e-3, Momentum: 0.5})
	must(t, norm, err)
	parameters := func(shape tensor.Shape, f func(i int) float32) tensor.Tensor {
		p, err := b.Parameters(shape)
		values := make([]float32, shape.Size())
		for i := range values {
			values[i] = f(i)
		}
		if err := b.Write(must(t, p, err), values); err != nil {
			t.Fatal(err)
		}
		return p
	}
	activations := func(shape tensor.Shape) tensor.Tensor {
		a, err := b.Activations(shape)
		return must(t, a, err)
	}
	x, y, z := activations(tensor.Shape{n, size, size, in}), activations(shape), activations(shape)
	images := make([]float32, x.Shape().Size())
	for i := range images {
		images[i] = float32(i%7) - 3
	}
	if err := b.Write(x, images); err != nil {
		t.Fatal(err)
	}
	w := parameters(tensor.Shape{3, 3, in, out}, func(i int) float32 { return float32(i%5) - 2 })
	bias := parameters(channels, func(i int) float32 { return float32(10 * i) })
	read := func(t *testing.T, from tensor.Tensor) []float32 {
		values := make([]float32, from.Shape().Size())
		if err := b.Read(values, from); err != nil {
			t.Fatal(err)
		}
		return values
	}
	one := func(int) float32 { return 1 }
	train := func(steps ...func(mean, variance tensor.Tensor)) (normalized, mean, variance []float32) {
		m, v := parameters(channels, one), parameters(channels, one)
		for _, step := range steps {
			if err := b.Record(func() { step(m, v) }).Run(backend.StepValues{}); err != nil {
				t.Fatal(err)
			}
		}
		return read(t, z), read(t, m), read(t, v)
	}
	forward := func(_, _ tensor.Tensor) { conv.Forward(y, x, w, bias) }
	normalize := func(mean, variance tensor.Tensor) { norm.Forward(z, y, nil, nil, mean, variance) }
	launches := func() (count int) {
		for _, line := range lines(t, log) {
			if line == "cuLaunchKernel" {
				count++
			}
		}
		return count
	}
	launches()
	wantZ, wantMean, wantVariance := train(forward, normalize)
	apart := launches()
	gotZ, gotMean, gotVariance := train(func(mean, variance tensor.Tensor) { forward(nil, nil); normalize(mean, variance) })
	if together := launches(); together != apart-2 { // step_begin and add_bias
		t.Errorf("%d launches in one step, %d in two", together, apart)
	}
	sums := func(i int) float64 { return 1e-4 } // of some hundreds
	near(t, "z", gotZ, wantZ, sums)
	near(t, "running mean", gotMean, wantMean, sums)
	near(t, "running variance", gotVariance, wantVariance, func(i int) float64 { return 1e-6 * float64(wantVariance[i]) })
	if wantMean[5] < 20 {
		t.Errorf("the running means are %v without the biases", wantMean)
	}
	// What does not normalize by the statistics of the batch finds the bias in y.
	train(forward)
	with := read(t, y)
	train(func(mean, variance tensor.Tensor) { forward(nil, nil); norm.Infer(z, y, nil, nil, mean, variance) })
	inferred := read(t, z)
	for i, v := range with {
		if want := (v - 1) / float32(math.Sqrt(1.001)); math.Abs(float64(inferred[i]-want)) > 1e-4 {
			t.Fatalf("element %d is normalized to %g, want %g", i, inferred[i], want)
		}
	}
}

// TestReplayedStepsAreTheSame trains with and without graphs to the same bits.
func TestReplayedStepsAreTheSame(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	train := func(replayed bool) []float32 {
		b := openFake(t, Options{})
		defer b.Close()
		n := newSmallNetwork(t, b)
		for i := range 6 {
			if !replayed {
				n.trained = b.Record(n.run)
			}
			if err := n.step(uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		w := make([]float32, n.all.Shape().Size())
		if err := b.Read(w, n.all); err != nil {
			t.Fatal(err)
		}
		return w
	}
	if recorded, not := train(true), train(false); !slices.Equal(recorded, not) {
		t.Error("replayed steps give other weights")
	}
}

// TestNewPlansAfterRecording makes a plan that needs more scratch memory than those of a recorded
// step.
func TestNewPlansAfterRecording(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	b := openFake(t, Options{})
	defer b.Close()
	n := newSmallNetwork(t, b)
	n.steps(3)
	if n.trained.(*step).graph == nil {
		t.Fatal("no graph")
	}
	if _, err := b.Conv2D(backend.Conv2DSpec{N: 64, H: 32, W: 32, In: 64, Out: 64, Window: tensor.Centered(3)}); err != nil {
		t.Fatal(err)
	}
	if n.trained.(*step).graph != nil {
		t.Error("a graph with an address of freed memory")
	}
	n.steps(3)
	if _, err := n.trained.Metrics(nil); err != nil {
		t.Error(err)
	}
}

// TestWeightsArePackedOnce runs the passes of layers in one step, where BackwardData takes the
// weights as Forward has packed them, and in two, between which the weights change.
func TestWeightsArePackedOnce(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	for _, precision := range []string{"fp32", "bf16"} {
		b := openFake(t, Options{Precision: precision})
		conv, err := b.Conv2D(backend.Conv2DSpec{N: 2, H: 3, W: 3, In: 8, Out: 8, Window: tensor.Centered(3), BatchNorm: true})
		must(t, conv, err)
		dense, err := b.Dense(backend.DenseSpec{N: 2, In: 128, Out: 8, BatchNorm: true})
		must(t, dense, err)
		rows := backend.Rows{From: 64, To: 128}
		slice, err := b.Dense(backend.DenseSpec{N: 2, In: 128, Out: 8, BatchNorm: true, Slice: rows})
		must(t, slice, err)
		for _, layer := range []struct {
			name        string
			plan, again backend.Dense // of Forward and of BackwardData
			x, y, w     tensor.Shape
			from        int // first row of w in BackwardData
			once, twice int // launches of packing in one step, and in two
		}{
			{"conv", conv, conv, tensor.Shape{2, 3, 3, 8}, tensor.Shape{2, 3, 3, 8}, tensor.Shape{3, 3, 8, 8}, 0, 1, 2},
			{"dense", dense, dense, tensor.Shape{2, 128}, tensor.Shape{2, 8}, tensor.Shape{128, 8}, 0, 1, 2},
			{"slice", dense, slice, tensor.Shape{2, 128}, tensor.Shape{2, 8}, tensor.Shape{128, 8}, rows.From, 1, 2},
		} {
			if precision == "fp32" && layer.name != "conv" { // which needs no other form
				layer.once, layer.twice = 0, 0
			}
			tensors := func(shapes ...tensor.Shape) (all []tensor.Tensor) {
				for _, shape := range shapes {
					a, err := b.Activations(shape)
					all = append(all, must(t, a, err))
				}
				return all
			}
			activations := tensors(layer.x, layer.y, layer.x, layer.y)
			x, y, dx, dy := activations[0], activations[1], activations[2], activations[3]
			w, err := b.Parameters(layer.w)
			must(t, w, err)
			bias, err := b.Parameters(tensor.Shape{8})
			must(t, bias, err)
			part := w
			if layer.from > 0 {
				part = b.View(w, layer.from*8, tensor.Shape{layer.w[0] - layer.from, 8})
			}
			write := func(to tensor.Tensor, scale int) {
				values := make([]float32, to.Shape().Size())
				for i := range values {
					values[i] = float32(scale * (i*5%7 - 3))
				}
				if err := b.Write(to, values); err != nil {
					t.Fatal(err)
				}
			}
			write(x, 1)
			write(dy, 1)
			write(dx, 0)
			write(w, 2)
			forward := func() { layer.plan.Forward(y, x, w, bias) }
			backward := func() { layer.again.BackwardData(dx, dy, part) }
			launches := func(steps ...func()) (n int) {
				lines(t, log)
				for _, f := range steps {
					if err := b.Record(f).Run(backend.StepValues{}); err != nil {
						t.Fatal(err)
					}
				}
				for _, line := range lines(t, log) {
					if line == "cuLaunchKernel" {
						n++
					}
				}
				return n - len(steps) // without step_begin
			}
			result := func() []float32 {
				values := make([]float32, layer.x.Size())
				if err := b.Read(values, dx); err != nil {
					t.Fatal(err)
				}
				return values
			}
			together := launches(func() { forward(); backward() })
			of2 := result()
			apart := launches(forward, backward)
			if !slices.Equal(result(), of2) {
				t.Errorf("%s, %s: another dx in two steps", layer.name, precision)
			}
			if apart-together != layer.twice-layer.once {
				t.Errorf("%s, %s: %d launches in one step and %d in two", layer.name, precision, together, apart)
			}
			write(w, 6)
			launches(backward)
			of6 := result()
			for i := range of6 {
				if of6[i] != 3*of2[i] {
					t.Fatalf("%s, %s: dx is that of the weights before they changed", layer.name, precision)
				}
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
