package ops

// gathered reports whether the direct algorithm makes the im2col matrix, with zeros for the
// padding. Few rows of a small image see the same taps, and a panel of the kernel takes longer to
// read than to multiply. With the matrix each panel is read once, for all rows.
func (p *convPass) gathered() bool { return p.N == 1 && p.taps() > 1 && p.rows() <= 64 }

// gatheredPass is a directPass that makes the im2col matrix, in each job for itself.
type gatheredPass struct {
	directPass
	columns int // that a job computes: whole column blocks
}

func newGatheredPass(p directPass, workers int) *gatheredPass {
	return &gatheredPass{p, divUp(p.shape.columnBlocks(), workers) * columnBlock}
}

func (p *gatheredPass) Jobs() int { return divUp(p.shape.Out, p.columns) }

func (p *gatheredPass) Scratch() int {
	rows, depth := p.shape.rows(), p.shape.depth()
	return rows*depth + p.level.GemmScratch(rows, p.columns, depth)
}

func (p *gatheredPass) Run(y, x, packed []float32, e Epilogue, job int, scratch []float32) {
	s := &p.shape
	rows, depth := s.rows(), s.depth()
	matrix, scratch := scratch[:rows*depth], scratch[rows*depth:]
	clear(matrix)
	for h := range s.h.out {
		down := s.h.view(h)
		for w := range s.w.out {
			right := s.w.view(w)
			row := matrix[(h*s.w.out+w)*depth:][:depth]
			for i := range down.count {
				for j := range right.count {
					tap := (down.tap+i*s.h.div)*s.w.taps + right.tap + j*s.w.div
					copy(row[tap*s.In:][:s.In], x[((down.at+i)*s.w.in+right.at+j)*s.In:])
				}
			}
		}
	}
	j := job * p.columns
	p.level.gemmPacked(y[j:], s.Out, Matrix{matrix, depth, 1}, packed[j*depth:],
		rows, min(p.columns, s.Out-j), depth, e.from(j), scratch)
}
