package cpu

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
	"github.com/lamina-go/lamina/tensor"
)

// A table decides for "auto" what it names, and what was chosen makes another backend choose the
// same.
func TestConvTable(t *testing.T) {
	spec := backend.Conv2DSpec{N: 4, H: 8, W: 8, In: 64, Out: 64, Window: tensor.Centered(3)}
	shape := ops.ConvShape{N: 4, H: 8, W: 8, In: 64, Out: 64, Window: tensor.Centered(3)}
	table := ConvTable{
		ConvName(passForward, shape): "f2",
		ConvName(passInput, shape):   "im2col",
		"forward 9x9x9 9→9":          "map2", // of another network
	}
	first := open(t, Options{Table: table})
	plan := must(first.Conv2D(spec)).(*linear)
	level, workers := first.level, first.pool.workers
	forward, inputGradient := ops.F2.Forward(level, shape, workers), ops.Direct.InputGradient(level, shape, workers)
	if p := plan.forward.(*pass[float32]).algorithm; !reflect.DeepEqual(p, forward) {
		t.Errorf("forward by %T, want F2", p)
	}
	if p := plan.inputGradient.(*pass[float32]).algorithm; !reflect.DeepEqual(p, inputGradient) {
		t.Errorf("input gradient by %T, want the direct algorithm", p)
	}
	chosen := first.ConvTable()
	for name, algorithm := range table {
		if chosen[name] != algorithm {
			t.Errorf("%s: %q, want %q", name, chosen[name], algorithm)
		}
	}
	if chosen[ConvName(passKernel, shape)] == "" || len(chosen) != 4 {
		t.Errorf("chosen %v: want the kernel's gradient too", chosen)
	}
	second := open(t, Options{Table: chosen})
	must(second.Conv2D(spec))
	if again := second.ConvTable(); !maps.Equal(again, chosen) {
		t.Errorf("chosen %v, then %v", chosen, again)
	}
	if len(table) != 3 {
		t.Error("the table was changed")
	}
}

// A kernel that never changes is worth transforming for fewer rows, and has its own entry.
func TestConstantKernelsOfFewRows(t *testing.T) {
	if b := open(t, Options{}); b.level == ops.Generic {
		t.Skip("the generic level has no fast transforms")
	}
	for _, c := range []struct {
		n, size int
		want    [2]string // of a kernel that changes, and of one that does not
	}{
		{1, 2, [2]string{"im2col", "map2"}},
		{1, 4, [2]string{"im2col", "im2col"}},
		{2, 4, [2]string{"im2col", "f2"}},
		{1, 8, [2]string{"im2col", "f2"}},
		{8, 8, [2]string{"f4", "f4"}},
	} {
		b := open(t, Options{})
		shape := ops.ConvShape{N: c.n, H: c.size, W: c.size, In: 64, Out: 64, Window: tensor.Centered(3)}
		for _, constant := range []bool{false, true} {
			must(b.Conv2D(backend.Conv2DSpec{
				N: c.n, H: c.size, W: c.size, In: 64, Out: 64, Window: tensor.Centered(3), Inference: true, Constant: constant,
			}))
		}
		chosen := b.ConvTable()
		if got := [2]string{chosen[ConvName(passForward, shape)], chosen[ConvName(passConstant, shape)]}; got != c.want {
			t.Errorf("%d images of %dx%d: %v, want %v", c.n, c.size, c.size, got, c.want)
		}
	}
}

// An algorithm that does not fit a shape is ignored, an unknown one is rejected.
func TestBadConvTable(t *testing.T) {
	spec := backend.Conv2DSpec{N: 4, H: 8, W: 8, In: 64, Out: 64, Window: tensor.Centered(3)}
	name := ConvName(passForward, ops.ConvShape{N: 4, H: 8, W: 8, In: 64, Out: 64, Window: tensor.Centered(3)})
	b := open(t, Options{Table: ConvTable{name: "map2"}})
	must(b.Conv2D(spec))
	if chosen := b.ConvTable()[name]; chosen != ops.Direct.String() {
		t.Errorf("forward by %s, want the direct algorithm", chosen)
	}
	_, err := Open(Options{Table: ConvTable{name: "fft"}})
	if err == nil || !strings.Contains(err.Error(), `"fft" for forward 4x8x8 64→64`) {
		t.Errorf("error %v", err)
	}
}
