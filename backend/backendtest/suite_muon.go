package backendtest

import (
	"errors"
	"fmt"
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// muonError bounds the error, in Frobenius norm, of the orthogonalised matrix of norm 1 that
// Muon computes from one with a relative error e.
//
// With n the smaller of rows and columns, and k the larger, no singular value exceeds 1.2, as the
// polynomial keeps them below that, so ‖X‖ ≤ 1.2·√n. A float32 product of matrices with an inner
// dimension d errs by at most sumError(d)·‖X‖·‖Y‖. The polynomial of an odd function of singular
// values has no derivative above its first coefficient a, by which an error grows.
func muonError(rows, columns, iterations int, e float64) float64 {
	a, b, c := float64(backend.MuonPolynomial[0]), math.Abs(float64(backend.MuonPolynomial[1])), float64(backend.MuonPolynomial[2])
	n, k := float64(min(rows, columns)), max(rows, columns)
	const top = 1.2
	x := top * math.Sqrt(n)
	gram := top * x // ‖XXᵀ‖ in Frobenius norm
	for range iterations {
		ofGram := sumError(k) * x * x
		ofSquare := sumError(int(n))*gram*gram + 2*top*top*ofGram
		poly := a*math.Sqrt(n) + b*gram + c*top*top*gram
		ofPoly := b*ofGram + c*ofSquare + 4*unit*poly
		e = a*e + top*ofPoly + sumError(int(n))*poly*x
	}
	return e
}

func (s *suite) muon() {
	for _, c := range []struct {
		rows, columns int
	}{{1, 1}, {1, 7}, {27, 16}, {33, 33}, {130, 17}, {300, 66}} {
		for _, iterations := range []int{1, 3} {
			s.run(fmt.Sprintf("%dx%d_iterations_%d", c.rows, c.columns, iterations), func(s *suite) {
				size := c.rows * c.columns
				s.muonCase(backend.MuonSpec{Size: 2*size + 100, Momentum: 0.6, SGD: 0.85, Iterations: iterations,
					Kernels: []backend.MuonKernel{{Offset: 5, Rows: c.rows, Columns: c.columns}, {Offset: size + 64, Rows: c.columns, Columns: c.rows}},
					Others: []backend.MuonRange{{Offset: 0, Size: 3, Rate: 0, Decay: 0.5}, {Offset: size + 10, Size: 17, Rate: 3, Decay: 0},
						{Offset: 2*size + 64, Size: 36, Rate: 1, Decay: 0.01}}})
			})
		}
	}
	s.run("others alone", func(s *suite) {
		s.muonCase(backend.MuonSpec{Size: 100_003, SGD: 0.9, Others: []backend.MuonRange{{Offset: 1, Size: 100_000, Rate: 2, Decay: 0.1}}})
	})
}

// muonCase replays steps at several rates, each from where the backend under test is. The last has
// gradients of 0 and a kernel of 0.
func (s *suite) muonCase(spec backend.MuonSpec) {
	d, ref := s.device(), s.reference()
	shape := tensor.Shape{spec.Size}
	plan, err := d.Muon(spec)
	skipUnsupported(d, err)
	p := must(d, plan, err)
	w, v, g := s.normal(spec.Size, 0.1), make([]float32, spec.Size), s.normal(spec.Size, 1)
	wt, vt, gt := d.parameter(shape, w), d.parameter(shape, v), d.parameter(shape, g)
	for i, values := range []backend.StepValues{
		{LearningRate: 0.2, Rates: [backend.MaxRates]float32{0.1, 0.01, 1, 0.5}},
		{LearningRate: 0.1, Rates: [backend.MaxRates]float32{0.2, 0, 0.1, 0.4}},
		{LearningRate: 0, Rates: [backend.MaxRates]float32{0.1, 1, 0.2, 0}},
		{LearningRate: 1},
	} {
		if i == 3 {
			clear(w)
			clear(v)
			clear(g)
			d.write(wt, w)
			d.write(vt, v)
		}
		d.write(gt, g)
		d.replay("step", values, func() { p.Step(wt, []tensor.Tensor{vt}, gt) })
		plan, err := ref.Muon(spec)
		q := must(ref, plan, err)
		rw, rv, rg := ref.parameter(shape, w), ref.parameter(shape, v), ref.parameter(shape, g)
		ref.step(values, func() { q.Step(rw, []tensor.Tensor{rv}, rg) })
		gotW, gotV, wantW, wantV := d.read(wt), d.read(vt), ref.read(rw), ref.read(rv)
		d.unchanged("g", gt, g)
		ofW, ofV := make([]float64, spec.Size), make([]float64, spec.Size)
		abs := func(x float32) float64 { return math.Abs(float64(x)) }
		for _, r := range spec.Others {
			rate := float64(values.Rates[r.Rate])
			for i := r.Offset; i < r.Offset+r.Size; i++ {
				move := rate * (abs(g[i]) + float64(r.Decay)*abs(w[i]))
				ofV[i] = 4 * unit * (abs(v[i]) + move)
				ofW[i] = 4*unit*(abs(w[i])+move+abs(wantV[i])) + ofV[i]
			}
		}
		for _, k := range spec.Kernels {
			size := k.Rows * k.Columns
			squares, ofX := 0.0, 0.0
			for i := k.Offset; i < k.Offset+size; i++ {
				ofV[i] = 2 * unit * (abs(v[i]) + abs(g[i]))
				e := 4*unit*(abs(v[i])+abs(g[i])) + ofV[i]
				ofX += e * e
				u := float64(spec.Momentum)*float64(wantV[i]) + float64(g[i])
				squares += u * u
			}
			relative := 4 * unit
			if squares > 0 {
				relative += math.Sqrt(ofX/squares) * 2 // of X, and of its norm
			}
			e := float64(values.LearningRate) * muonError(k.Rows, k.Columns, spec.Iterations, relative)
			for i := k.Offset; i < k.Offset+size; i++ {
				scaled := float64(wantW[i]) // w before it moves is no larger than this and the move
				ofW[i] = e + 8*unit*(math.Abs(scaled)+2*float64(values.LearningRate)) + 0x1p-126
			}
		}
		near(s.T, "v", gotV, wantV, func(i int) float64 { return ofV[i] })
		near(s.T, "w", gotW, wantW, func(i int) float64 { return ofW[i] })
		if m := d.measured(); len(m) != 1 || m[0].Penalty != 0 {
			s.Errorf("measured %+v, want no penalty", m)
		}
		w, v, g = gotW, gotV, s.normal(spec.Size, 1)
	}
	d.step(backend.StepValues{LearningRate: 1}, func() { p.Penalty(wt) })
	d.unchanged("w", wt, w)
	d.unchanged("v", vt, v)
}

// skipUnsupported skips the test if the backend says that it lacks the plan.
func skipUnsupported(d *device, err error) {
	d.t.Helper()
	if errors.Is(err, errors.ErrUnsupported) {
		d.t.Skip(err)
	}
}
