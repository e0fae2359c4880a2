package backendtest

import (
	"slices"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// scopes checks that a scope works like its backend and with its tensors, and gives back its memory
// alone.
func (s *suite) scopes() {
	s.run("together", func(s *suite) { s.scopesTogether() })
	s.run("memory", func(s *suite) { s.scopesGiveBack() })
	s.run("locks", func(s *suite) { s.scopesLock() })
	s.run("closed", func(s *suite) { s.closed() })
}

// scoped returns a device for a scope of d. The test closes it, or the end of the test does.
func (d *device) scoped() *device { return newDevice(d.t, d.Scope()) }

// product is a dense layer whose tensors and plan are made by one device, but for w, which may be
// of another.
type product struct {
	d    *device
	y    tensor.Tensor
	step backend.Step
}

func newProduct(d *device, in linearData, w tensor.Tensor) *product {
	d.t.Helper()
	c := denseCase(3, 5, 7)
	xs, ys, _ := c.shapes()
	plan, x, b, y := c.plan(d), d.activation(xs, in.x), d.parameter(tensor.Shape{7}, in.b), d.empty(ys)
	return &product{d, y, d.Record(func() { plan.Forward(y, x, w, b) })}
}

func (p *product) run() []float32 {
	p.d.t.Helper()
	p.d.run(p.step, backend.StepValues{})
	return p.d.read(p.y)
}

func (s *suite) productData() linearData {
	return linearData{x: s.normal(15, 1), w: s.normal(35, 1), b: s.normal(7, 1)}
}

// scopesTogether runs steps of a backend and of two of its scopes on the same weights, in turns,
// and closes the scopes in between.
func (s *suite) scopesTogether() {
	d := s.device()
	in := s.productData()
	w := d.kernel(tensor.Shape{5, 7}, in.w)
	first, second := d.scoped(), d.scoped()
	if first.Name() != d.Name() {
		s.Errorf("a scope of %s is named %s", d.Name(), first.Name())
	}
	ofParent, ofFirst, ofSecond := newProduct(d, in, w), newProduct(first, in, w), newProduct(second, in, w)
	want := ofParent.run()
	for range 3 { // launched, recorded, replayed
		same(s.T, "y of a scope", ofFirst.run(), want)
		same(s.T, "y of another scope", ofSecond.run(), want)
		same(s.T, "y of the backend", ofParent.run(), want)
	}
	// A form of the weights that a scope has made outlives the scope, as the weights do.
	other := d.parameter(tensor.Shape{5, 7}, in.w)
	brief := d.scoped()
	same(s.T, "y of a brief scope", newProduct(brief, in, brief.kernelOf(other, 0, tensor.Shape{5, 7})).run(), want)
	if err := brief.Close(); err != nil {
		s.Fatal(err)
	}
	d.write(other, s.normal(35, 1))
	d.write(other, in.w)
	same(s.T, "y of weights that a closed scope has read", newProduct(d, in, d.kernelOf(other, 0, tensor.Shape{5, 7})).run(), want)
	// What the backend writes to the weights is what the scopes read.
	in.w = s.normal(35, 1)
	d.write(w, in.w)
	want = ofParent.run()
	same(s.T, "y of a scope, of other weights", ofFirst.run(), want)
	// A scope reads and writes tensors of others, too.
	same(s.T, "weights that a scope reads", second.read(w), d.read(w))
	second.write(w, in.w)

	for i, scope := range []*device{first, second} {
		if err := scope.Close(); err != nil {
			s.Fatal(err)
		}
		same(s.T, "y of the backend after Close of a scope", ofParent.run(), want)
		if i == 0 {
			same(s.T, "y of a scope after Close of another", ofSecond.run(), want)
		}
	}
	// New tensors do not get memory that is still in use, and Parameters are zeros in memory that
	// was used.
	third := d.scoped()
	p, err := third.Parameters(tensor.Shape{1000})
	same(s.T, "new parameters", third.read(must(third, p, err)), make([]float32, 1000))
	same(s.T, "y of a new scope", newProduct(third, in, w).run(), want)
	same(s.T, "y of the backend", ofParent.run(), want)
}

// scopesGiveBack opens and closes a scope 100 times.
func (s *suite) scopesGiveBack() {
	d := s.device()
	measured, can := d.Backend.(interface{ Bytes() int })
	in := s.productData()
	want := newProduct(d, in, d.kernel(tensor.Shape{5, 7}, in.w)).run()
	before := 0
	for i := range 100 {
		scope := d.scoped()
		same(s.T, "y of a scope", newProduct(scope, in, scope.kernel(tensor.Shape{5, 7}, in.w)).run(), want)
		if err := scope.Close(); err != nil {
			s.Fatal(err)
		}
		if !can {
			continue
		}
		if now := measured.Bytes(); i == 0 {
			before = now
		} else if now != before {
			s.Fatalf("%d bytes after scope %d, %d after the first", now, i+1, before)
		}
	}
}

// scopesLock has goroutines use a backend and its scopes at once, each with the lock of its own.
// The race detector sees it if that is not one lock.
func (s *suite) scopesLock() {
	d := s.device()
	in := s.productData()
	w := d.kernel(tensor.Shape{5, 7}, in.w)
	var all []*product
	for _, device := range []*device{d, d.scoped(), d.scoped()} {
		all = append(all, newProduct(device, in, w))
	}
	want := all[0].run()
	got := make(chan []float32)
	for _, p := range all {
		go func() {
			for range 5 {
				y := make([]float32, len(want))
				p.d.Lock()
				err := p.step.Run(backend.StepValues{})
				if err == nil {
					err = p.d.Read(y, p.y)
				}
				p.d.Unlock()
				if err != nil {
					y = nil
				}
				got <- y
			}
		}()
	}
	for range 5 * len(all) {
		if y := <-got; !slices.EqualFunc(y, want, bits32) {
			s.Errorf("y is %v, want %v", y, want)
		}
	}
}

// closed checks that a closed scope, and a scope of a closed backend, return errors.
func (s *suite) closed() {
	parent := s.open(s.T)
	in := s.productData()
	open := &device{t: s.T, Backend: parent, steps: map[string]backend.Step{}}
	expect := func(t *testing.T, d *device, p *product) {
		t.Helper()
		if err := d.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
		_, parameters := d.Parameters(tensor.Shape{3})
		_, activations := d.Activations(tensor.Shape{3, 5})
		for what, err := range map[string]error{
			"Parameters": parameters, "Activations": activations, "Run": p.step.Run(backend.StepValues{}),
			"Write": d.Write(p.y, make([]float32, 21)), "Read": d.Read(make([]float32, 21), p.y),
		} {
			if err == nil {
				t.Errorf("%s of a closed backend: no error", what)
			}
		}
	}
	scope := open.scoped()
	p := newProduct(scope, in, scope.kernel(tensor.Shape{5, 7}, in.w))
	p.run()
	if err := scope.Close(); err != nil {
		s.Fatal(err)
	}
	expect(s.T, scope, p)

	left := open.scoped()
	p, q := newProduct(left, in, left.kernel(tensor.Shape{5, 7}, in.w)), newProduct(open, in, open.kernel(tensor.Shape{5, 7}, in.w))
	same(s.T, "y of a scope", p.run(), q.run())
	if err := parent.Close(); err != nil {
		s.Fatal(err)
	}
	expect(s.T, left, p)
	expect(s.T, open, q)
	if _, err := parent.Scope().Parameters(tensor.Shape{3}); err == nil {
		s.Error("a scope of a closed backend works")
	}
}
