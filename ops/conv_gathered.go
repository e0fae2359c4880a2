package ops

// Gathered tells whether the direct way makes the im2col matrix, with zeros for the padding. A small image has few
// rows that see the same taps, and each panel of the kernel takes longer to read than to multiply: here it is
// read once, for all rows.
func (s ConvShape) Gathered() bool { return s.N == 1 && s.Kernel == 3 && s.H*s.W <= 64 }

// GatheredScratch returns the number of floats that ConvGathered needs for some groups.
func (l Level) GatheredScratch(s ConvShape, groups int) int {
	rows, depth := s.H*s.W, s.taps()*s.In
	return rows*depth + l.GemmScratch(rows, groups*GroupColumns, depth)
}

// ConvGathered computes some groups of the output channels of y = conv(x, kernel) and what p asks for, with a kernel
// from PackKernel or PackKernelTurned.
func (l Level) ConvGathered(y, x, packed []float32, s ConvShape, group, groups int, p Product, scratch []float32) {
	rows, depth := s.H*s.W, s.taps()*s.In
	matrix, scratch := scratch[:rows*depth], scratch[rows*depth:]
	for h := range s.H {
		for w := range s.W {
			for t := range s.taps() {
				to := matrix[((h*s.W+w)*s.taps()+t)*s.In:][:s.In]
				if h, w := h+t/3-1, w+t%3-1; h < 0 || h >= s.H || w < 0 || w >= s.W {
					clear(to)
				} else {
					copy(to, x[(h*s.W+w)*s.In:])
				}
			}
		}
	}
	j := group * GroupColumns
	if p.Bias != nil {
		p.Bias = p.Bias[j:]
	}
	l.GemmPacked(y[j:], s.Out, Matrix{matrix, depth, 1}, packed[j*depth:], rows, min(groups*GroupColumns, s.Out-j), depth, p, scratch)
}
