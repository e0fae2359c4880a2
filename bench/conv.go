package bench

import (
	"fmt"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// convolutions are the shapes in the VGG table: height and width, channels in and out, kernel.
var convolutions = [...]struct{ size, in, out, kernel int }{
	{32, 3, 64, 3}, {32, 64, 64, 3},
	{16, 64, 128, 3}, {16, 128, 128, 3},
	{8, 128, 256, 3}, {8, 256, 256, 3}, {8, 256, 256, 1},
	{4, 256, 512, 3}, {4, 512, 512, 3}, {4, 512, 512, 1},
	{2, 512, 512, 3}, {2, 512, 512, 1},
}

// printConvolutions prints the rate of each pass by shape: as a layer in training, and in
// inference.
func printConvolutions(out *output, level ops.Level, p peak, o *Options) error {
	out.title(fmt.Sprintf("Convolution, batch %d, %v, %s: ms, GFLOP/s and share of the peak",
		o.Batch, level, cores(o.Threads)),
		"operations are those of the direct algorithm without padding: Winograd needs fewer and may exceed\n"+
			"the peak")
	columns := []column{text("shape", 20)}
	for _, pass := range cpu.ConvPasses {
		columns = append(columns, number(pass, 8), number("GFLOP/s", 12))
	}
	table := out.table(columns...)
	for _, c := range convolutions {
		b, err := openTuned(level, o)
		if err != nil {
			return err
		}
		spec := backend.Conv2DSpec{N: o.Batch, H: c.size, W: c.size, In: c.in, Out: c.out,
			Window: tensor.Centered(c.kernel), BatchNorm: true, NoInputGrad: c.in == 3}
		times, err := convSeconds(b, spec)
		b.Close()
		if err != nil {
			return err
		}
		cells := []string{fmt.Sprintf("%dx%d %d→%d, %dx%d", c.size, c.size, c.in, c.out, c.kernel, c.kernel)}
		for _, t := range times {
			if t == 0 {
				cells = append(cells, "", "")
				continue
			}
			cells = append(cells, fmt.Sprintf("%.2f", t*1e3), share(flop(spec)/1e9/t, p.allCores))
		}
		table.row(cells...)
	}
	return nil
}

// flop returns the floating-point operations of one pass. In each direction, taps of the first and
// the last row that fall into the padding do not count.
func flop(s backend.Conv2DSpec) float64 {
	taps := func(size int) int { return size*s.Window.Height - (s.Window.Height - 1) }
	return 2 * float64(s.N*s.In*s.Out) * float64(taps(s.H)*taps(s.W))
}

// convSeconds returns the times of cpu.ConvPasses, 0 for one that the layer lacks.
func convSeconds(b backend.Backend, s backend.Conv2DSpec) (times [len(cpu.ConvPasses)]float64, err error) {
	plan, err := b.Conv2D(s)
	if err != nil {
		return times, err
	}
	infer := s
	infer.BatchNorm, infer.Function, infer.Inference, infer.Constant = false, tensor.Rectifier(), true, true
	constant, err := b.Conv2D(infer)
	if err != nil {
		return times, err
	}
	t := tensors{backend: b}
	x, y := t.activations(s.N, s.H, s.W, s.In), t.activations(s.N, s.H, s.W, s.Out)
	dx, dy := t.activations(s.N, s.H, s.W, s.In), t.activations(s.N, s.H, s.W, s.Out)
	w, bias := t.kernel(s.Window.Height, s.Window.Height, s.In, s.Out), t.parameters(s.Out)
	dw, dbias := t.parameters(s.Window.Height, s.Window.Height, s.In, s.Out), t.parameters(s.Out)
	for i, f := range []func(){
		func() { plan.Forward(y, x, w, bias) },
		func() { plan.BackwardData(dx, dy, w) },
		func() { plan.BackwardFilter(dw, dbias, dy, x) },
		func() { constant.Forward(y, x, w, bias) },
	} {
		if s.NoInputGrad && i == 1 {
			continue
		}
		if times[i], err = t.seconds(f); err != nil {
			return times, err
		}
	}
	return times, nil
}
