package ops

// Batch normalization (https://arxiv.org/abs/1502.03167) of rows of channels: a matrix [rows][C],
// with C = len(Norm.Mean). Forward is a pass for the statistics (ColumnSums, Moments) and one that
// normalizes. Backward is a pass for two sums (NormSums) and one for the gradient (NormGrad). A
// ReLU and a 2x2 max pool that follow are fused into these passes; batchnorm_pool.go has the pool.

// Norm normalizes element x of channel c, once the statistics are known:
//
//	z = (x − Mean[c])·Scale[c] + Beta[c]
//	y = max(Floor, z)
//
// Floor is 0 if a ReLU follows, else −Inf.
type Norm struct {
	Mean, Scale, Beta []float32 // (C,)
	Floor             float32
}

// at returns z. The conversion keeps the compiler from fusing the product and the sum, so that the
// backward pass sees the z of the forward pass.
func (n *Norm) at(x float32, c int) float32 {
	return float32((x-n.Mean[c])*n.Scale[c]) + n.Beta[c]
}

// check panics unless slices of these lengths have the same number of whole rows.
func (n *Norm) check(length int, others ...int) {
	c := len(n.Mean)
	if c == 0 || len(n.Scale) != c || len(n.Beta) != c || length%c != 0 {
		panic(errLength)
	}
	for _, o := range others {
		if o != length {
			panic(errLength)
		}
	}
}

func (n *Norm) checkSums(sum, product []float32) {
	if len(sum) != len(n.Mean) || len(product) != len(n.Mean) {
		panic(errLength)
	}
}

// ColumnSums computes for each column c of x, a matrix of rows of len(pivot) elements,
//
//	sum[c] = Σ (x[r][c] − pivot[c]),  squares[c] = Σ (x[r][c] − pivot[c])²
//
// The nearer the pivot is to the mean, the less precision is lost when the mean is subtracted from
// the squares. With a row of x as the pivot the loss is at most a factor of the number of rows, and
// a column of equal values gives exact zeros. A few hundred rows a call are accurate.
func (l Level) ColumnSums(sum, squares, x, pivot []float32) {
	checkColumns(sum, squares, len(x), pivot)
	clear(sum)
	clear(squares)
	columnSums(sum, squares, x, pivot, l.columnSumsWide(sum, squares, x, pivot))
}

func checkColumns(sum, squares []float32, length int, pivot []float32) {
	cols := len(pivot)
	if cols == 0 || len(sum) != cols || len(squares) != cols || length%cols != 0 {
		panic(errLength)
	}
}

// columnSums is ColumnSums for the columns from from on.
func columnSums(sum, squares, x, pivot []float32, from int) {
	cols := len(pivot)
	if from == cols {
		return
	}
	for ; len(x) > 0; x = x[cols:] {
		for c := from; c < cols; c++ {
			d := x[c] - pivot[c]
			sum[c] += d
			squares[c] += d * d
		}
	}
}

// Moments are the mean of each channel and the sum of squared deviations from it, over Count rows.
type Moments struct {
	Count    float64
	Mean, M2 []float64 // (C,)
}

// Reset sets the moments to those of no rows.
func (m *Moments) Reset() {
	m.Count = 0
	clear(m.Mean)
	clear(m.M2)
}

// Add merges the sums that ColumnSums computed for more rows, by the formula of Chan, Golub and
// LeVeque (1979).
func (m *Moments) Add(rows int, sum, squares, pivot []float32) {
	count := float64(rows)
	total := m.Count + count
	inverse, weight := 1/count, count/total
	between := m.Count * weight
	for c := range m.Mean {
		s := float64(sum[c])
		d := float64(pivot[c]) + s*inverse - m.Mean[c]
		m.Mean[c] += d * weight
		m.M2[c] += max(0, float64(squares[c])-s*s*inverse) + d*d*between
	}
	m.Count = total
}

// Normalize sets y to the normalized x. y may be x.
func (l Level) Normalize(y, x []float32, n *Norm) {
	n.check(len(x), len(y))
	normalize(y, x, n, l.normalizeWide(y, x, n))
}

func normalize(y, x []float32, n *Norm, from int) {
	cols := len(n.Mean)
	if from == cols {
		return
	}
	for ; len(x) > 0; x, y = x[cols:], y[cols:] {
		for c := from; c < cols; c++ {
			y[c] = max(n.Floor, n.at(x[c], c))
		}
	}
}

// NormSums computes for each channel, with the gradient g of z,
//
//	g = dy where z > Floor, else 0
//	sum[c] = Σ g,  product[c] = Σ g·(x − Mean[c])
//
// so that dβ = sum and dγ = product/σ.
func (l Level) NormSums(sum, product, dy, x []float32, n *Norm) {
	n.check(len(x), len(dy))
	n.checkSums(sum, product)
	clear(sum)
	clear(product)
	normSums(sum, product, dy, x, n, l.normSumsWide(sum, product, dy, x, n))
}

func normSums(sum, product, dy, x []float32, n *Norm, from int) {
	cols := len(n.Mean)
	if from == cols {
		return
	}
	for ; len(x) > 0; x, dy = x[cols:], dy[cols:] {
		for c := from; c < cols; c++ {
			if n.at(x[c], c) <= n.Floor {
				continue
			}
			sum[c] += dy[c]
			product[c] += dy[c] * (x[c] - n.Mean[c])
		}
	}
}

// NormGrad has the coefficients of the gradient of x, from the sums over all m rows: with γ/σ =
// Scale,
//
//	dx = Scale[c]·g − A[c] − (x − Mean[c])·B[c]
//	A = Scale·Σg/m,  B = Scale·Σg·(x − Mean)/(σ²·m)
type NormGrad struct {
	Norm
	A, B []float32 // (C,)
}

// at returns dx for the gradient g of z.
func (n *NormGrad) at(g, x float32, c int) float32 {
	return n.Scale[c]*g - n.A[c] - (x-n.Mean[c])*n.B[c]
}

func (n *NormGrad) check(length int, others ...int) {
	n.Norm.check(length, others...)
	if len(n.A) != len(n.Mean) || len(n.B) != len(n.Mean) {
		panic(errLength)
	}
}

// NormGrad sets dx to the gradient of x. dx may be x.
func (l Level) NormGrad(dx, dy, x []float32, n *NormGrad) {
	n.check(len(x), len(dx), len(dy))
	normGrad(dx, dy, x, n, l.normGradWide(dx, dy, x, n))
}

func normGrad(dx, dy, x []float32, n *NormGrad, from int) {
	cols := len(n.Mean)
	if from == cols {
		return
	}
	for ; len(x) > 0; x, dx, dy = x[cols:], dx[cols:], dy[cols:] {
		for c := from; c < cols; c++ {
			g := dy[c]
			if n.Norm.at(x[c], c) <= n.Floor {
				g = 0
			}
			dx[c] = n.at(g, x[c], c)
		}
	}
}
