package bench

import (
	"fmt"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// convolutions are the shapes in the VGG table, and those with a stride of a ResNet: height and
// width, channels in and out, kernel, stride.
var convolutions = [...]struct{ size, in, out, kernel, stride int }{
	{32, 3, 64, 3, 1}, {32, 64, 64, 3, 1},
	{16, 64, 128, 3, 1}, {16, 128, 128, 3, 1},
	{8, 128, 256, 3, 1}, {8, 256, 256, 3, 1}, {8, 256, 256, 1, 1},
	{4, 256, 512, 3, 1}, {4, 512, 512, 3, 1}, {4, 512, 512, 1, 1},
	{2, 512, 512, 3, 1}, {2, 512, 512, 1, 1},
	{32, 64, 128, 3, 2}, {32, 64, 128, 1, 2},
	{16, 128, 256, 3, 2}, {16, 128, 256, 1, 2},
	{8, 256, 512, 3, 2}, {8, 256, 512, 1, 2},
}

// convSpec returns shape number i of convolutions, as a layer in training.
func convSpec(i, batch int) backend.Conv2DSpec {
	c := convolutions[i]
	return backend.Conv2DSpec{N: batch, H: c.size, W: c.size, In: c.in, Out: c.out,
		Window: tensor.Square(c.kernel, c.stride).Same(c.size, c.size), BatchNorm: true, NoInputGrad: c.in == 3}
}

// convName describes a shape in a table.
func convName(s backend.Conv2DSpec) string {
	v := s.Window
	name := fmt.Sprintf("%dx%d %d→%d, %dx%d", s.H, s.W, s.In, s.Out, v.Height, v.Width)
	if v.StrideH > 1 || v.StrideW > 1 {
		name += fmt.Sprintf("/%d", v.StrideH)
	}
	return name
}

// printConvolutions prints the rate of each pass by shape: as a layer in training, and in
// inference.
func printConvolutions(out *output, level ops.Level, p peak, o *Options) error {
	out.title(fmt.Sprintf("Convolution, batch %d, %v, %s: ms, GFLOP/s and share of the peak",
		o.Batch, level, cores(o.Threads)),
		"operations are those of the direct algorithm without padding: Winograd needs fewer and may exceed\n"+
			"the peak")
	columns := []column{text("shape", 22)}
	for _, pass := range cpu.ConvPasses {
		columns = append(columns, number(pass, 8), number("GFLOP/s", 12))
	}
	table := out.table(columns...)
	for i := range convolutions {
		b, err := openTuned(level, o)
		if err != nil {
			return err
		}
		spec := convSpec(i, o.Batch)
		times, err := convSeconds(b, spec)
		b.Close()
		if err != nil {
			return err
		}
		cells := []string{convName(spec)}
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

// flop returns the floating-point operations of one pass. Taps that fall into the padding do not
// count.
func flop(s backend.Conv2DSpec) float64 {
	v := s.Window
	h, w := v.Output(s.H, s.W)
	taps := func(size, out, window, stride, pad int) (n int) {
		for p := range out {
			first := p*stride - pad
			n += min(first+window, size) - max(first, 0)
		}
		return n
	}
	return 2 * float64(s.N*s.In*s.Out) *
		float64(taps(s.H, h, v.Height, v.StrideH, v.Top)) * float64(taps(s.W, w, v.Width, v.StrideW, v.Left))
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
	height, width := s.Window.Output(s.H, s.W)
	x, y := t.activations(s.N, s.H, s.W, s.In), t.activations(s.N, height, width, s.Out)
	dx, dy := t.activations(s.N, s.H, s.W, s.In), t.activations(s.N, height, width, s.Out)
	w, bias := t.kernel(s.Window.Height, s.Window.Width, s.In, s.Out), t.parameters(s.Out)
	dw, dbias := t.parameters(s.Window.Height, s.Window.Width, s.In, s.Out), t.parameters(s.Out)
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
