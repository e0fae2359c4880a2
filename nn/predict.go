package nn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// Predictor classifies images with a model in inference mode: running statistics and no dropout. It
// has a copy of the weights that the model had when the Predictor was made. It is safe for use by
// multiple goroutines, which take turns batch by batch.
type Predictor struct {
	model     *Model
	constant  []int // batch sizes for which the backend keeps packed weights, which never change
	batch     int
	nodes     []node
	places    []int // of each value among the buffers
	buffers   []tensor.Tensor
	labels    tensor.Tensor      // (batch,)
	programs  map[int]*inference // by number of images
	metrics   []backend.StepMetrics
	resident  *source                 // generates the images of measure; nil if they are written
	penalty   func() (float64, error) // the L2 penalty of the weights
	smoothing float32                 // of labels, in measure
}

// inference is the forward pass for a number of images: alone, and with the loss.
type inference struct {
	images, labels, logits tensor.Tensor
	predict, measure       backend.Step
	evaluations            []*evaluation // of each run of measure since its last Metrics
}

// Result is the quality of a model, as means over images.
type Result struct {
	Loss     float64 `json:"loss"`     // cross-entropy and L2 penalty, as in Keras
	Accuracy float64 `json:"accuracy"` // the fraction classified correctly
	// CrossEntropy is the loss without the penalty, 0 in results of versions that did not know it.
	CrossEntropy float64 `json:"cross_entropy"`
}

// Penalty returns the L2 penalty, 0 if it is unknown.
func (r Result) Penalty() float64 {
	if r.CrossEntropy == 0 {
		return 0
	}
	return max(0, r.Loss-r.CrossEntropy)
}

// NewPredictor prepares to classify up to batch images at a time, fewer where that is faster. It
// copies the weights. The backend may keep a packed form of them for batches of that size, and one
// for each size in fewer; for other sizes it packs them again in every batch. Close frees the
// copies. The model may be closed before.
func (m *Model) NewPredictor(batch int, fewer ...int) (*Predictor, error) {
	d := newScope(m.backend, "predictor")
	p, err := m.predictorOn(d, batch, fewer)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return p, nil
}

// IntoPredictor is NewPredictor without the copy, which large models have no memory for. It takes
// the weights from the model, which is closed: no other goroutine may use it. Close of the
// Predictor frees them. After an error the model can only be closed.
func (m *Model) IntoPredictor(batch int, fewer ...int) (*Predictor, error) {
	p, err := m.predictorOn(m.backend, batch, fewer)
	if err != nil {
		return nil, err
	}
	taken := m.backend
	m.backend = newScope(taken, taken.owner)
	taken.owner = "predictor"
	return p, m.Close()
}

// predictorOn makes a Predictor on a scope.
func (m *Model) predictorOn(d *scope, batch int, fewer []int) (p *Predictor, err error) {
	sizes := append([]int{batch}, fewer...)
	for _, n := range sizes {
		if n < 1 || n > batch {
			return nil, fmt.Errorf("nn: a predictor of %d images at a time, and of %d: want at least 1, the largest first",
				batch, n)
		}
	}
	err = m.backend.do(func() (err error) {
		p, err = m.newPredictor(d, sizes)
		return err
	})
	return p, err
}

// newPredictor makes a Predictor on a scope whose lock is held, see folded.
func (m *Model) newPredictor(d *scope, sizes []int) (*Predictor, error) {
	m, penalty, err := m.folded(d)
	if err != nil {
		return nil, err
	}
	batch := d.InferenceBatch(m.inferenceSpec(sizes[0]))
	sizes = slices.DeleteFunc(append([]int{batch}, sizes[1:]...), func(n int) bool { return n > batch })
	labels, err := d.Parameters(tensor.Shape{batch})
	if err != nil {
		return nil, err
	}
	p, err := m.predictor(batch, labels, func(shapes []tensor.Shape) ([]tensor.Tensor, error) {
		return d.activations(shapes, batch)
	})
	if err != nil {
		return nil, err
	}
	p.constant = sizes
	p.penalty = func() (float64, error) { return penalty, nil }
	return p, nil
}

// Close waits for the batches of other goroutines and frees the predictor's memory. Later calls
// return an error.
func (p *Predictor) Close() error { return p.model.backend.Close() }

// predictor returns a Predictor that reads the model's own weights as they change. buffers returns
// tensors for activations of these shapes of one image, for a whole batch. The caller sets penalty.
func (m *Model) predictor(batch int, labels tensor.Tensor, buffers func([]tensor.Shape) ([]tensor.Tensor, error)) (
	p *Predictor, err error) {
	p = &Predictor{model: m, batch: batch, nodes: m.nodes(true), labels: labels, programs: map[int]*inference{}}
	var shapes []tensor.Shape
	p.places, shapes = places(m.Input, p.nodes)
	p.buffers, err = buffers(shapes)
	return p, err
}

// inferenceSpec describes the forward pass of n images.
func (net *Network) inferenceSpec(n int) backend.InferenceSpec {
	s := backend.InferenceSpec{N: n, Weights: net.ParameterSize}
	for _, node := range net.nodes(true) {
		size := node.in.Size() + node.out.Size()
		s.Largest = max(s.Largest, size)
		s.Activations += size
		if l, ok := node.layer.(Conv2D); ok {
			s.Convolutions = append(s.Convolutions, backend.Conv2DSpec{
				N: n, H: node.in[0], W: node.in[1], In: node.in[2], Out: l.Filters, Window: node.window})
		}
	}
	return s
}

// activations makes tensors for a batch of activations of these shapes.
func (d *scope) activations(shapes []tensor.Shape, n int) (all []tensor.Tensor, err error) {
	for _, s := range shapes {
		t, err := d.Activations(batch(n, s))
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// reuse returns tensors for a batch of activations of these shapes: those of the workspace, the
// largest for the largest, and new ones where these do not suffice.
func (d *scope) reuse(workspace []tensor.Tensor, shapes []tensor.Shape, n int) ([]tensor.Tensor, error) {
	workspace = slices.Clone(workspace)
	slices.SortStableFunc(workspace, func(a, b tensor.Tensor) int { return cmp.Compare(b.Shape().Size(), a.Shape().Size()) })
	order := make([]int, len(shapes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(shapes[b].Size(), shapes[a].Size()) })
	all := make([]tensor.Tensor, len(shapes))
	for _, i := range order {
		if shape := batch(n, shapes[i]); len(workspace) > 0 && workspace[0].Shape().Size() >= shape.Size() {
			all[i], workspace = workspace[0], workspace[1:]
		} else if t, err := d.Activations(shape); err != nil {
			return nil, err
		} else {
			all[i] = t
		}
	}
	return all, nil
}

// program returns the passes for n images, which it makes at the first use.
func (p *Predictor) program(n int) (*inference, error) {
	if made, ok := p.programs[n]; ok {
		return made, nil
	}
	b := p.model.backend
	c := &compiler{Model: p.model, n: n, inference: true, constant: slices.Contains(p.constant, n), nodes: p.nodes}
	for i, s := range p.model.shapes(p.nodes) {
		c.values = append(c.values, b.View(p.buffers[p.places[i]], 0, batch(n, s)))
	}
	forward, _, err := c.compile()
	if err != nil {
		return nil, err
	}
	spec := p.model.loss(n)
	spec.Smoothing = p.smoothing
	loss, err := b.Loss(spec)
	if err != nil {
		return nil, err
	}
	images, logits, labels := c.values[0], c.values[len(c.values)-1], b.View(p.labels, 0, tensor.Shape{n})
	made := &inference{
		images: images, labels: labels, logits: logits,
		predict: b.Record(forward.run),
		measure: b.Record(func() {
			if p.resident != nil {
				p.resident.generate(images)
			}
			forward.run()
			loss.Forward(logits, labels)
		}),
	}
	p.programs[n] = made
	return made, nil
}

// Logits returns the logits of the classes, (N, Classes), for any number N of images: float32
// pixels (N, H, W, C), normalized like those that the model was trained on. They are the output of
// the last layer. Of a network with a SigmoidOutput that is the logit of class 1, and the logit of
// class 0 is 0. The softmax of both is the sigmoid.
func (p *Predictor) Logits(images []float32) ([]float32, error) {
	each := p.model.Input.Size()
	if len(images)%each != 0 {
		return nil, fmt.Errorf("nn: %d values are not a whole number of images of shape %v", len(images), p.model.Input)
	}
	total, classes := len(images)/each, p.model.Classes
	logits := make([]float32, total*classes)
	for at := 0; at < total; at += p.batch {
		n := min(p.batch, total-at)
		err := p.model.backend.do(func() error {
			return p.predict(images[at*each:(at+n)*each], logits[at*classes:(at+n)*classes])
		})
		if err != nil {
			return nil, err
		}
	}
	return logits, nil
}

// predict computes the logits of a batch, with the lock held.
func (p *Predictor) predict(images, logits []float32) error {
	b := p.model.backend
	q, err := p.program(len(logits) / p.model.Classes)
	if err == nil {
		err = b.Write(q.images, images)
	}
	if err == nil {
		err = q.predict.Run(backend.StepValues{})
	}
	if err == nil {
		err = p.read(logits, q)
	}
	if err == nil {
		p.metrics, err = q.predict.Metrics(p.metrics[:0]) // zeros, without a loss
	}
	return err
}

// read reads the logits of a batch, with the lock held.
func (p *Predictor) read(logits []float32, q *inference) error {
	if p.model.Output != SigmoidOutput {
		return p.model.backend.Read(logits, q.logits)
	}
	n := len(logits) / 2
	if err := p.model.backend.Read(logits[:n], q.logits); err != nil {
		return err
	}
	for i := n - 1; i >= 0; i-- {
		logits[2*i], logits[2*i+1] = 0, logits[i]
	}
	return nil
}

// Probabilities returns the softmax of the logits, (N, Classes): the model's probability of each
// class for each image.
func (p *Predictor) Probabilities(images []float32) ([]float32, error) {
	x, err := p.Logits(images)
	if err != nil {
		return nil, err
	}
	for row := range slices.Chunk(x, p.model.Classes) {
		top, sum := slices.Max(row), 0.0
		for _, v := range row {
			sum += math.Exp(float64(v - top))
		}
		for i, v := range row {
			row[i] = float32(math.Exp(float64(v-top)) / sum)
		}
	}
	return x, nil
}

// Evaluate measures the model on a set of images, in order. When ctx is done it stops with ctx's
// error.
func (p *Predictor) Evaluate(ctx context.Context, data Data) (Result, error) {
	return p.EvaluateEach(ctx, data, nil)
}

// EvaluateEach is Evaluate, and calls each with the class numbers (n,) and the logits (n, Classes)
// of every batch. They are valid until each returns, which may use the Predictor.
func (p *Predictor) EvaluateEach(ctx context.Context, data Data, each func(labels, logits []float32)) (Result, error) {
	if err := p.model.fits(data); err != nil {
		return Result{}, err
	}
	return p.evaluate(ctx, fromHost(p.model.backend, data), each)
}

// evaluation is the state of one Evaluate. Those of several goroutines take turns batch by batch.
type evaluation struct {
	total sums
	last  *inference // of the last batch
	err   error      // from metrics that were lost
}

func (p *Predictor) evaluate(ctx context.Context, data *source, each func(labels, logits []float32)) (Result, error) {
	d := p.model.backend
	var e evaluation
	var logits []float32
	for images, labels := range data.batches(InOrder, 0, p.batch) {
		if each != nil {
			logits = slices.Grow(logits[:0], len(labels)*p.model.Classes)[:len(labels)*p.model.Classes]
		}
		err := d.do(func() error {
			err := context.Cause(ctx)
			if err == nil {
				err = p.measure(&e, data, images, labels, logits)
			}
			if err != nil {
				_ = p.collect(e.last) // leaves no metrics behind; the first error counts
			}
			return err
		})
		if err != nil {
			return Result{}, err
		}
		if each != nil {
			each(labels, logits)
		}
	}
	err := d.do(func() error { return cmp.Or(p.collect(e.last), e.err, dataErr(data.data)) })
	if err != nil {
		return Result{}, err
	}
	// The penalty of the weights counts once, whatever the number of batches.
	penalty, err := p.penalty()
	if err != nil {
		return Result{}, err
	}
	r := e.total.result()
	r.Loss += penalty
	return r, nil
}

// measure runs a batch of an evaluation, and reads its logits unless the slice is nil. The lock is
// held.
func (p *Predictor) measure(e *evaluation, data *source, images, labels, logits []float32) error {
	b := p.model.backend
	q, err := p.program(len(labels))
	if err == nil && q != e.last { // metrics are added in the order of the batches
		err = p.collect(e.last)
		e.last = q
	}
	if err == nil {
		err = data.write(q.images, images)
	}
	if err == nil {
		err = b.Write(q.labels, labels)
	}
	if err == nil {
		err = q.measure.Run(backend.StepValues{})
	}
	if err != nil {
		return err
	}
	q.evaluations = append(q.evaluations, e)
	if logits != nil {
		if err := p.read(logits, q); err != nil {
			return err
		}
	}
	if len(q.evaluations) == backend.MaxPending/2 {
		return p.collect(q)
	}
	return nil
}

// collect distributes the metrics of a program's runs to their evaluations. The lock is held.
func (p *Predictor) collect(q *inference) (err error) {
	if q == nil {
		return nil
	}
	p.metrics, err = q.measure.Metrics(p.metrics[:0])
	for i, e := range q.evaluations {
		if err != nil {
			e.err = err
		} else {
			e.total.add(p.metrics[i])
		}
	}
	q.evaluations = q.evaluations[:0]
	return err
}

// sums accumulate what was measured on images.
type sums struct {
	Images       int     `json:"images"`
	Loss         float64 `json:"loss"`          // sum over images
	CrossEntropy float64 `json:"cross_entropy"` // the same; 0 if it is unknown for some
	Correct      int     `json:"correct"`
}

func (s *sums) add(m backend.StepMetrics) {
	if s.Images == 0 || s.CrossEntropy != 0 {
		s.CrossEntropy += float64(m.Images) * m.Loss
	}
	s.Images += m.Images
	s.Loss += float64(m.Images) * (m.Loss + m.Penalty)
	s.Correct += m.Correct
}

func (s sums) result() Result {
	n := float64(max(s.Images, 1))
	return Result{Loss: s.Loss / n, Accuracy: float64(s.Correct) / n, CrossEntropy: s.CrossEntropy / n}
}

// fits returns an error unless the network accepts the images.
func (net *Network) fits(data Data) error {
	h, w, c := data.Shape()
	if shape := (tensor.Shape{h, w, c}); !shape.Equal(net.Input) {
		return fmt.Errorf("nn: images of shape %v, but the network expects %v", shape, net.Input)
	}
	if data.Classes() != net.Classes {
		return fmt.Errorf("nn: data of %d classes, but the network has %d", data.Classes(), net.Classes)
	}
	if data.Len() == 0 {
		return errors.New("nn: a dataset without images")
	}
	return nil
}
