package ops

import (
	"slices"
	"testing"
)

// guard is what a slice of guardedSlice holds, and what stands before and behind it.
const guard = 12345

// guardedSlice returns a slice of n elements between guard values, and a check that these are
// unchanged.
func guardedSlice[T Element](t *testing.T, n int) (x []T, check func()) {
	const size = 141 // odd, so that slices are not aligned
	all := slices.Repeat([]T{guard}, n+2*size)
	return all[size : size+n : size+n], func() {
		t.Helper()
		for i := range size {
			if all[i] != guard || all[size+n+i] != guard {
				t.Fatal("written outside the slice")
			}
		}
	}
}

func guarded(t *testing.T, n int) (x []float32, check func())  { return guardedSlice[float32](t, n) }
func guardedBF16(t *testing.T, n int) (x []BF16, check func()) { return guardedSlice[BF16](t, n) }

// elements returns the memory x of a packed operand as elements of T.
func elements[T Element](x []float32) []T {
	if y, ok := any(x).([]T); ok {
		return y
	}
	return any(AsBF16(x)).([]T)
}

// passJobs returns a function that runs all jobs of a pass, in order.
func passJobs[T Element](p Pass[T], y, x, w []T, e Epilogue, packed, scratch []float32) func() {
	operand := new([]T) // that of PacksNothing
	run := func() {
		for job := range p.Jobs() {
			p.Run(y, x, w, e, job, scratch)
		}
	}
	switch p.Packs() {
	case PacksNothing:
		return run
	case PacksInput:
		operand = &x
	case PacksKernel:
		operand = &w
	}
	from := *operand
	*operand = elements[T](packed)
	return func() {
		for job := range p.PackJobs() {
			p.Pack(*operand, from, job, scratch)
		}
		run()
	}
}

// gradientJobs returns a function that runs all jobs of a gradient, in order.
func gradientJobs[T Element](g Gradient[T], splits [][]float32, dy, x []T, packed, scratch []float32) func() {
	operands := elements[T](packed)
	return func() {
		for job := range g.PackJobs() {
			g.Pack(operands, dy, x, job, scratch)
		}
		for job := range g.Jobs() {
			g.Run(splits[g.Split(job)], dy, x, operands, job, scratch)
		}
	}
}

// runPass returns the y of a pass, and checks that nothing beside it, the packed operand and the
// scratch was written.
func runPass[T Element](t *testing.T, p Pass[T], size int, x, w []T, e Epilogue) []T {
	t.Helper()
	y, checkY := guardedSlice[T](t, size)
	packed, checkPacked := guarded(t, p.PackedSize())
	scratch, checkScratch := guarded(t, p.Scratch())
	beforeX, beforeW := slices.Clone(x), slices.Clone(w)
	passJobs(p, y, x, w, e, packed, scratch)()
	checkY()
	checkPacked()
	checkScratch()
	if !slices.Equal(x, beforeX) || !slices.Equal(w, beforeW) {
		t.Fatal("an operand was written")
	}
	return y
}

// runGradient returns the splits of a kernel gradient, and checks that nothing else was written.
func runGradient[T Element](t *testing.T, g Gradient[T], size int, dy, x []T) (splits [][]float32) {
	t.Helper()
	var checks []func()
	for range g.Splits() {
		dw, check := guarded(t, size)
		splits, checks = append(splits, dw), append(checks, check)
	}
	packed, checkPacked := guarded(t, g.PackedSize())
	scratch, checkScratch := guarded(t, g.Scratch())
	gradientJobs(g, splits, dy, x, packed, scratch)()
	for _, check := range append(checks, checkPacked, checkScratch) {
		check()
	}
	return splits
}

// added returns the sum of the splits of a gradient, in order.
func added(splits [][]float32) []float32 {
	for _, dw := range splits[1:] {
		Add(splits[0], dw)
	}
	return splits[0]
}

// benchPass returns a function that runs a pass, packing included.
func benchPass[T Element](p Pass[T], y, x, w []T) func() {
	return passJobs(p, y, x, w, Epilogue{}, make([]float32, p.PackedSize()), make([]float32, p.Scratch()))
}

// benchGradient returns a function that computes a kernel gradient of some size, its splits added.
func benchGradient[T Element](g Gradient[T], size int, dy, x []T) func() {
	splits := make([][]float32, g.Splits())
	for i := range splits {
		splits[i] = make([]float32, size)
	}
	jobs := gradientJobs(g, splits, dy, x, make([]float32, g.PackedSize()), make([]float32, g.Scratch()))
	return func() {
		jobs()
		added(splits)
	}
}
