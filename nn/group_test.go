package nn

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
)

// TestGroups trains with one group and with as many as there can be, of layers and of parts of dense ones: the weights have the same bits, and the largest group is all that
// there are gradients for.
func TestGroups(t *testing.T) {
	least, most := groupSize, partSize
	t.Cleanup(func() { groupSize, partSize = least, most })
	for name, net := range someNetworks(t) {
		for _, bf16 := range []bool{false, true} {
			train := func(least, most int) *Trainer {
				groupSize, partSize = least, most
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
			one, many := train(math.MaxInt, 1), train(1, 1)
			if len(one.groups) != 1 || one.gradients.Shape().Size() != net.ParameterSize {
				t.Errorf("%s: %d groups, gradients of shape %v, want one of %d", name, len(one.groups), one.gradients.Shape(), net.ParameterSize)
			}
			parts, largest := 0, 0
			for _, n := range net.nodes(false) {
				if _, ok := n.layer.(Dense); ok {
					parts += (n.in[0] + backend.PartRows - 1) / backend.PartRows
				} else if len(n.weights) > 0 {
					parts++
				}
			}
			end := net.ParameterSize
			for _, g := range many.groups {
				if g.to != end {
					t.Errorf("%s: a group ends at %d, want %d", name, g.to, end)
				}
				end, largest = g.from, max(largest, g.to-g.from)
			}
			if len(many.groups) != parts || end != 0 || many.gradients.Shape().Size() != largest {
				t.Errorf("%s: %d groups, want %d, from %d on, gradients of shape %v, the largest has %d",
					name, len(many.groups), parts, end, many.gradients.Shape(), largest)
			}
			want, got := ofState(t, one.State), ofState(t, many.State)
			for weight := range want {
				if !slices.Equal(want[weight], got[weight]) {
					t.Errorf("%s, bf16 %v: %s differs", name, bf16, weight)
				}
			}
			for i, row := range one.History {
				if other := many.History[i]; math.Abs(row.Loss-other.Loss) > 1e-12 || math.Abs(row.Validation.Loss-other.Validation.Loss) > 1e-12 {
					t.Errorf("%s, bf16 %v: losses %v and %v of epoch %d", name, bf16, row, other, row.Epoch)
				}
			}
		}
	}
}
