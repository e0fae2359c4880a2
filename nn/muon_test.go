package nn

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/backendtest"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/internal/golden"
	"github.com/lamina-go/lamina/tensor"
)

// muonNetwork has kernels that are tall and wide as matrices, and weights of all kinds.
func muonNetwork(t *testing.T) *Network {
	return mustBuild(t, Sequential{Input: tensor.Shape{7, 6, 2}, Classes: 3, Layers: []Layer{
		Conv2D{Name: "first", Filters: 5, Kernel: 3}, MaxPool{}, BatchNorm{NoScale: true},
		Activation{Function: tensor.Function{Kind: tensor.GELU}},
		DepthwiseConv2D{Kernel: 3}, Conv2D{Name: "second", Filters: 9, Kernel: 1, NoBias: true}, BatchNorm{},
		ReLU{}, Flatten{}, Dense{Name: "head", Units: 3}}})
}

func muonConfig() Config {
	c := tinyConfig()
	c.Momentum, c.Schedule = 0, Linear(0.1)
	c.Optimizer = Muon{Momentum: 0.6, Others: SGD{0.85}, Rates: []Rate{
		{Weights: "head/*", Schedule: Linear(0.05), Decay: 0.1},
		{Weights: "first/bias", Schedule: Until(Linear(0.3), 1)},
		{Weights: "*/*", Schedule: Linear(0.1), Decay: 0.01}}}
	return c
}

func openThreads(t *testing.T, threads int, bf16 bool) backend.Backend {
	t.Helper()
	b, err := cpu.Open(cpu.Options{Threads: threads, BF16: bf16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestMuonAgrees trains on the reference and on the CPU, and with groups of one layer each.
func TestMuonAgrees(t *testing.T) {
	least := minGroupSize
	t.Cleanup(func() { minGroupSize = least })
	train := func(b backend.Backend) map[string][]float32 {
		c := muonConfig()
		c.Epochs = 1
		trainer := newTrainer(t, b, muonNetwork(t), c)
		if err := trainer.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		return ofState(t, trainer.State)
	}
	want := train(backendtest.Reference())
	for _, minGroupSize = range []int{least, 1} {
		for name, got := range train(openThreads(t, 2, false)) {
			golden.Within(t, fmt.Sprintf("groups of %d: %s", minGroupSize, name), got, want[name],
				2e-5*max(1, golden.Largest(want[name])))
		}
	}
}

// TestMuonRepeatsTheBits stops runs and resumes them on another number of threads.
func TestMuonRepeatsTheBits(t *testing.T) {
	for _, bf16 := range []bool{false, true} {
		alone := newTrainer(t, openThreads(t, 2, bf16), muonNetwork(t), muonConfig())
		if err := alone.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i, stop := range []int{1, 4, 7, 12} {
			c := muonConfig()
			c.Checkpoint = filepath.Join(t.TempDir(), "checkpoint.lamina")
			stopAfter(t, newTrainer(t, openThreads(t, 1+i, bf16), muonNetwork(t), c), stop)
			resumed := newTrainer(t, openThreads(t, 4-i, bf16), muonNetwork(t), c)
			if err := resumed.Resume(c.Checkpoint); err != nil {
				t.Fatal(err)
			}
			if err := resumed.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			sameState(t, alone.State, resumed.State)
		}
	}
}

func TestMuonErrors(t *testing.T) {
	b := openThreads(t, 1, false)
	for want, change := range map[string]func(*Muon){
		"0 Rates":                        func(o *Muon) { o.Rates = nil },
		"5 Rates":                        func(o *Muon) { o.Rates = make([]Rate, 5) },
		"without a Schedule":             func(o *Muon) { o.Rates[0].Schedule = nil },
		"decay of -1":                    func(o *Muon) { o.Rates[0].Decay = -1 },
		`weights "["`:                    func(o *Muon) { o.Rates[0].Weights = "[" },
		`no Rate for the weight "batch_`: func(o *Muon) { o.Rates = o.Rates[:2] },
		"-1 iterations":                  func(o *Muon) { o.Iterations = -1 },
		"momentum 1":                     func(o *Muon) { o.Momentum = 1 },
		"momentum 2":                     func(o *Muon) { o.Others.Momentum = 2 },
	} {
		c := muonConfig()
		o := c.Optimizer.(Muon)
		change(&o)
		c.Optimizer = o
		if _, err := NewTrainer(b, muonNetwork(t), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := NewTrainer(b, tinyNetwork(t, true), muonConfig()); err == nil || !strings.Contains(err.Error(), "L2 penalty") {
		t.Errorf("a penalty: error %v", err)
	}
}

// TestRestingWeights compares a bias whose rate is 0 from the second epoch on, and which then has no
// backward pass, with one whose rate is too small to change it.
func TestRestingWeights(t *testing.T) {
	train := func(rest float64, all ...int) map[string][]float32 {
		net := mustBuild(t, Sequential{Input: tensor.Shape{7, 6, 2}, Classes: 3, Frozen: []string{"first/kernel"}, Layers: []Layer{
			Conv2D{Name: "first", Filters: 8, Kernel: 2, Padding: Valid},
			Activation{Function: tensor.Function{Kind: tensor.GELU}},
			Conv2D{Name: "second", Filters: 9, Kernel: 3, NoBias: true}, BatchNorm{NoScale: true}, ReLU{},
			Flatten{}, Dense{Name: "head", Units: 3}}})
		c := muonConfig()
		c.Optimizer = Muon{Momentum: 0.6, Others: SGD{0.85}, Rates: []Rate{
			{Weights: "first/bias", Schedule: Phases(Phase{Rate: 0.3, Until: 1}, Phase{Rate: rest})},
			{Weights: "*/*", Schedule: Linear(0.1)}}}
		trainer := newTrainer(t, openThreads(t, 2, false), net, c)
		if err := trainer.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		var resting []int
		for key := range trainer.programs {
			if !slices.Contains(resting, key.resting) {
				resting = append(resting, key.resting)
			}
		}
		slices.Sort(resting)
		if !slices.Equal(resting, all) {
			t.Errorf("the programs leave out the first %v nodes, want %v", resting, all)
		}
		return ofState(t, trainer.State)
	}
	want := train(1e-30, 0)
	for name, got := range train(0, 0, 2) {
		if !slices.Equal(got, want[name]) {
			t.Errorf("%s: got %v, want %v", name, got, want[name])
		}
	}
}
