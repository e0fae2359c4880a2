package cpu

import (
	"maps"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/ops"
)

// A table decides for "auto" what it names, and what was chosen makes another backend choose the same.
func TestConvTable(t *testing.T) {
	spec := backend.Conv2DSpec{N: 4, H: 8, W: 8, In: 64, Out: 64, Kernel: 3}
	shape := ops.ConvShape{N: 4, H: 8, W: 8, In: 64, Out: 64, Kernel: 3}
	table := ConvTable{
		ConvName(passForward, shape): "f2",
		ConvName(passInput, shape):   "im2col",
		"forward 9x9x9 9→9":          "map2", // of another network
	}
	first := open(t, Options{Table: table})
	plan := must(first.Conv2D(spec)).(*conv2D)
	if p, ok := plan.forward.(*winogradPass); !ok || p.algorithm != ops.F2 {
		t.Errorf("forward by %T, want F2", plan.forward)
	}
	if _, ok := plan.data.(*directPass); !ok {
		t.Errorf("input gradient by %T, want the direct way", plan.data)
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

// An algorithm that does not fit a shape is passed over, one that there is not refused.
func TestBadConvTable(t *testing.T) {
	spec := backend.Conv2DSpec{N: 4, H: 8, W: 8, In: 64, Out: 64, Kernel: 3}
	name := ConvName(passForward, ops.ConvShape{N: 4, H: 8, W: 8, In: 64, Out: 64, Kernel: 3})
	b := open(t, Options{Table: ConvTable{name: "map2"}})
	if plan := must(b.Conv2D(spec)).(*conv2D); b.ConvTable()[name] != direct {
		t.Errorf("forward by %T, want the direct way", plan.forward)
	}
	_, err := Open(Options{Table: ConvTable{name: "fft"}})
	if err == nil || !strings.Contains(err.Error(), `"fft" for forward 4x8x8 64→64`) {
		t.Errorf("error %v", err)
	}
}
