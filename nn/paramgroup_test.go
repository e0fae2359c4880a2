package nn

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/tensor"
)

// TestGroups trains with one group, with some, and with as many as there can be, of layers and of
// slices of dense ones: the weights have the same bits, and the largest group is all that there are
// gradients for.
func TestGroups(t *testing.T) {
	least, most := minGroupSize, maxSliceSize
	t.Cleanup(func() { minGroupSize, maxSliceSize = least, most })
	for name, net := range someNetworks(t) {
		starts := 0
		for _, n := range net.nodes(false) {
			if _, ok := n.layer.(Dense); ok {
				starts += (n.in[0] + backend.SliceRows - 1) / backend.SliceRows
			} else if len(n.weights) > 0 {
				starts++
			}
		}
		for _, bf16 := range []bool{false, true} {
			train := func(least, most int) *Trainer {
				minGroupSize, maxSliceSize = least, most
				b, err := cpu.Open(cpu.Options{Threads: 2, BF16: bf16})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { b.Close() })
				trainer := newTrainer(t, b, net, tinyConfig())
				if err := trainer.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
				return trainer
			}
			one := train(math.MaxInt, 1)
			for _, test := range []struct{ least, most, fewest, groups int }{
				{math.MaxInt, 1, 1, 1}, {1, 1, starts, starts}, {1, 1 << 20, 1, starts}, {30, 1, 1, starts}, {300, 1000, 1, starts}, {9700, 1, 1, starts},
			} {
				some := train(test.least, test.most)
				end, largest := net.ParameterSize, 0
				for _, g := range some.groups {
					if size := g.to - g.from; g.to != end || size < test.least && g.from > 0 {
						t.Errorf("%s: a group from %d to %d, where one begins at %d and has at least %d", name, g.from, g.to, end, test.least)
					}
					end, largest = g.from, max(largest, g.to-g.from)
				}
				if n := len(some.groups); n < test.fewest || n > test.groups || end != 0 || some.gradients.Shape().Size() != largest {
					t.Errorf("%s, %+v: %d groups, the first from %d on, gradients of shape %v, the largest has %d",
						name, test, n, end, some.gradients.Shape(), largest)
				}
				want, got := ofState(t, one.State), ofState(t, some.State)
				for weight := range want {
					if !slices.Equal(want[weight], got[weight]) {
						t.Errorf("%s, bf16 %v, %+v: %s differs", name, bf16, test, weight)
					}
				}
				for i, row := range one.History {
					if other := some.History[i]; !(math.Abs(row.Loss-other.Loss) <= 1e-12) || !(math.Abs(row.Validation.Loss-other.Validation.Loss) <= 1e-12) {
						t.Errorf("%s, bf16 %v: losses %v and %v of epoch %d", name, bf16, row, other, row.Epoch)
					}
				}
			}
		}
	}
}

// TestGroupsOfVGG says how little memory the gradients of the largest network take.
func TestGroupsOfVGG(t *testing.T) {
	s, err := VGG("vgg19", VGGOptions{Input: tensor.Shape{32, 32, 3}, Classes: 10, BatchNorm: true})
	if err != nil {
		t.Fatal(err)
	}
	all, largest := mustBuild(t, s).groups()
	// The last 1024 rows of the 4096x4096 layer, and the layer of the classes, each with bias, γ
	// and β.
	if want := 1024*4096 + 3*4096 + 4096*10 + 3*16; largest != want || all[0].to-all[0].from != want {
		t.Errorf("the largest of %d groups has %d parameters, the last %d, want %d", len(all), largest, all[0].to-all[0].from, want)
	}
}

// TestMemoryAtOnce has all memory of training be there before it begins.
func TestMemoryAtOnce(t *testing.T) {
	for name, net := range someNetworks(t) {
		for _, bf16 := range []bool{false, true} {
			b, err := cpu.Open(cpu.Options{Threads: 2, BF16: bf16})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			trainer := newTrainer(t, b, net, tinyConfig())
			before := b.Bytes()
			if err := trainer.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if after := b.Bytes(); after != before {
				t.Errorf("%s, bf16 %v: training takes %d bytes more than its preparation", name, bf16, after-before)
			}
		}
	}
}
