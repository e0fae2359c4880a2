package backendtest

import (
	"math"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

type muon struct {
	ref *reference
	backend.MuonSpec
}

func (r *reference) Muon(s backend.MuonSpec) (backend.Optimizer, error) {
	for _, k := range s.Kernels {
		if k.Offset < 0 || min(k.Rows, k.Columns) < 1 || k.Rows*k.Columns > s.Size-k.Offset {
			panic(errMuon)
		}
	}
	for _, o := range s.Others {
		if o.Offset < 0 || o.Size < 0 || o.Size > s.Size-o.Offset || o.Rate < 0 || o.Rate >= backend.MaxRates {
			panic(errMuon)
		}
	}
	return &muon{r, s}, nil
}

const errMuon = "backendtest: a kernel or a range of Muon lies outside the parameters, or has no such rate"

func (*muon) Penalty(tensor.Tensor) {}

func (o *muon) Step(w tensor.Tensor, state []tensor.Tensor, g tensor.Tensor) {
	all := tensor.Shape{o.Size}
	wv, vv, gv := o.ref.arg(w, all), o.ref.arg(state[0], all), o.ref.arg(g, all)
	m := float64(o.SGD)
	for _, r := range o.Others {
		rate := float64(o.ref.values.Rates[r.Rate])
		for i := r.Offset; i < r.Offset+r.Size; i++ {
			move := -rate * (gv[i] + float64(r.Decay)*wv[i])
			vv[i] = m*vv[i] + move
			wv[i] += m*vv[i] + move
		}
	}
	m = float64(o.Momentum)
	for _, k := range o.Kernels {
		size := k.Rows * k.Columns
		w, v, x := wv[k.Offset:][:size], vv[k.Offset:][:size], make([]float64, size)
		for i, d := range gv[k.Offset:][:size] {
			v[i] = m*v[i] + d
			x[i] = m*v[i] + d
		}
		x = orthogonal(x, k.Rows, k.Columns, o.Iterations)
		scale := 1.0
		if norm := math.Sqrt(sumSquares(w)); norm > 0 {
			scale = math.Sqrt(float64(k.Columns)) / norm
		}
		for i := range w {
			w[i] = scale*w[i] - float64(o.ref.values.LearningRate)*x[i]
		}
	}
}

// orthogonal divides a matrix X by its norm and iterates X ← a·X + (b·A + c·A²)·X with A = XXᵀ. The
// transpose has the same results, transposed, and a smaller A.
func orthogonal(x []float64, rows, columns, iterations int) []float64 {
	if rows > columns {
		return transposeOf(orthogonal(transposeOf(x, rows, columns), columns, rows, iterations), columns, rows)
	}
	norm := math.Sqrt(sumSquares(x)) + backend.MuonEpsilon
	for i := range x {
		x[i] /= norm
	}
	a, b, c := float64(backend.MuonPolynomial[0]), float64(backend.MuonPolynomial[1]), float64(backend.MuonPolynomial[2])
	for range iterations {
		gram := matrixProduct(x, transposeOf(x, rows, columns), rows, columns, rows)
		square := matrixProduct(gram, gram, rows, rows, rows)
		for i := range gram {
			gram[i] = b*gram[i] + c*square[i]
		}
		for i, d := range matrixProduct(gram, x, rows, rows, columns) {
			x[i] = a*x[i] + d
		}
	}
	return x
}

// matrixProduct returns x·y of x (m, k) and y (k, n).
func matrixProduct(x, y []float64, m, k, n int) []float64 {
	z := make([]float64, m*n)
	for i := range m {
		for l := range k {
			for j := range n {
				z[i*n+j] += x[i*k+l] * y[l*n+j]
			}
		}
	}
	return z
}

func transposeOf(x []float64, rows, columns int) []float64 {
	y := make([]float64, len(x))
	for i := range rows {
		for j := range columns {
			y[j*rows+i] = x[i*columns+j]
		}
	}
	return y
}

func sumSquares(x []float64) (sum float64) {
	for _, v := range x {
		sum += v * v
	}
	return sum
}
