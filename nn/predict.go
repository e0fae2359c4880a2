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

// Predictor classifies images with a model, in inference mode: running statistics and no dropout. Its weights are those that the
// model had when it was made. It is safe for use by multiple goroutines, which take turns batch by batch.
type Predictor struct {
	model    *Model
	constant []int // numbers of images for which the backend keeps the weights, which then never change
	batch    int
	nodes    []node
	buffers  [2]tensor.Tensor   // what flows between the nodes alternates between them
	labels   tensor.Tensor      // (batch,)
	programs map[int]*inference // by number of images
	metrics  []backend.StepMetrics
	resident *source                 // whose images measure generates; nil if they are written
	penalty  func() (float64, error) // the L2 penalty of the weights
}

// inference is the forward pass for a number of images: alone, and with the loss.
type inference struct {
	images, labels, logits tensor.Tensor
	predict, measure       backend.Step
	evaluations            []*evaluation // that each run of measure since its last Metrics belongs to
}

// Result is how well a model does: the mean loss over images, penalties included, and the
// share of images whose class was found.
type Result struct {
	Loss     float64 `json:"loss"`
	Accuracy float64 `json:"accuracy"`
}

// NewPredictor prepares to classify batch images at a time, and also fewer, which takes longer for each. It
// copies the weights, of which the backend may keep another form for whole batches, and one more for each
// number of images in fewer: for other numbers it is made again each time. Close frees the copies; the model may be closed before.
func (m *Model) NewPredictor(batch int, fewer ...int) (*Predictor, error) {
	sizes := append([]int{batch}, fewer...)
	for _, n := range sizes {
		if n < 1 || n > batch {
			return nil, fmt.Errorf("nn: a predictor of %d images at a time, and of %d: want numbers from 1 on, the largest first", batch, n)
		}
	}
	d := newDevice(m.backend, "predictor")
	var p *Predictor
	err := m.backend.do(func() (err error) {
		p, err = m.newPredictor(d, sizes)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return p, nil
}

// newPredictor makes a Predictor on a device whose lock is held, with a copy of the weights.
func (m *Model) newPredictor(d *device, sizes []int) (*Predictor, error) {
	batch := sizes[0]
	m, penalty, err := m.folded(d)
	if err != nil {
		return nil, err
	}
	// The largest of those that use each buffer makes it.
	var largest [2]tensor.Shape
	for i, s := range m.shapes(m.nodes(true), batch) {
		if l := &largest[i%2]; *l == nil || s.Size() > l.Size() {
			*l = s
		}
	}
	var buffers []tensor.Tensor
	for _, shape := range largest {
		t, err := d.Activations(shape)
		if err != nil {
			return nil, err
		}
		buffers = append(buffers, t)
	}
	labels, err := d.Parameters(tensor.Shape{batch})
	if err != nil {
		return nil, err
	}
	p := m.predictor(batch, buffers, labels)
	p.constant = sizes
	p.penalty = func() (float64, error) { return penalty, nil }
	return p, nil
}

// Close frees the predictor's memory, after the batches that other goroutines have begun. Then all methods return an error.
func (p *Predictor) Close() error { return p.model.backend.Close() }

// predictor returns a Predictor that works in the two largest of the tensors and follows the model's
// weights as they change. It lacks the penalty.
func (m *Model) predictor(batch int, room []tensor.Tensor, labels tensor.Tensor) *Predictor {
	p := &Predictor{model: m, batch: batch, nodes: m.nodes(true), labels: labels, programs: map[int]*inference{}}
	bySize := func(a, b tensor.Tensor) int { return cmp.Compare(b.Shape().Size(), a.Shape().Size()) }
	room = slices.Clone(room)
	slices.SortStableFunc(room, bySize)
	copy(p.buffers[:], room)
	var need [2]int
	for i, s := range m.shapes(p.nodes, batch) {
		need[i%2] = max(need[i%2], s.Size())
	}
	if need[1] > need[0] {
		slices.Reverse(p.buffers[:])
	}
	return p
}

// program returns the passes for n images, made at the first use.
func (p *Predictor) program(n int) (*inference, error) {
	if made, ok := p.programs[n]; ok {
		return made, nil
	}
	b := p.model.backend
	c := &compiler{Model: p.model, n: n, inference: true, constant: slices.Contains(p.constant, n)}
	for i, s := range p.model.shapes(p.nodes, n) {
		c.flow = append(c.flow, b.View(p.buffers[i%2], 0, s))
	}
	forward, _, err := c.compile(p.nodes)
	if err != nil {
		return nil, err
	}
	loss, err := b.SoftmaxLoss(backend.LossSpec{N: n, Classes: p.model.Classes})
	if err != nil {
		return nil, err
	}
	logits, labels := c.flow[len(c.flow)-1], b.View(p.labels, 0, tensor.Shape{n})
	made := &inference{
		images: c.flow[0], labels: labels, logits: logits,
		predict: b.Record(forward.run),
		measure: b.Record(func() {
			if p.resident != nil {
				p.resident.generate(c.flow[0])
			}
			forward.run()
			loss.Forward(logits, labels)
		}),
	}
	p.programs[n] = made
	return made, nil
}

// Logits returns what the last layer gives, (N, Classes), for any number N of images,
// float32 pixels (N, H, W, C) prepared as those that the model was trained on.
func (p *Predictor) Logits(images []float32) ([]float32, error) {
	each := p.model.Input.Size()
	if len(images)%each != 0 {
		return nil, fmt.Errorf("nn: %d numbers are not a number of whole images of shape %v", len(images), p.model.Input)
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
		err = b.Read(logits, q.logits)
	}
	if err == nil {
		p.metrics, err = q.predict.Metrics(p.metrics[:0]) // zeros, without a loss
	}
	return err
}

// Probabilities returns the softmax of the logits: for each image, of each class, how
// probable the model holds it.
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

// Evaluate measures the model on a set of images, in order. When ctx is done it stops
// with ctx's error.
func (p *Predictor) Evaluate(ctx context.Context, data Data) (Result, error) {
	return p.EvaluateEach(ctx, data, nil)
}

// EvaluateEach is Evaluate, and gives each batch's class numbers (n,) and logits (n, Classes) to
// a function, for which they hold until it returns.
func (p *Predictor) EvaluateEach(ctx context.Context, data Data, each func(labels, logits []float32)) (Result, error) {
	if err := p.model.fits(data); err != nil {
		return Result{}, err
	}
	return p.evaluate(ctx, fromHost(p.model.backend, data), each)
}

// evaluation is what Evaluate has found so far. Evaluations of several goroutines may take turns batch by batch.
type evaluation struct {
	total sums
	last  *inference // of the last batch
	err   error      // of metrics that were lost
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
				_ = p.collect(e.last) // the first error counts; no metrics stay behind
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
	err := d.do(func() error { return cmp.Or(p.collect(e.last), e.err) })
	if err != nil {
		return Result{}, err
	}
	// The penalty is that of the weights, once, whatever the number of batches.
	penalty, err := p.penalty()
	if err != nil {
		return Result{}, err
	}
	r := e.total.result()
	r.Loss += penalty
	return r, nil
}

// measure runs a batch of an evaluation, and reads its logits if there is a buffer for them. The lock is held.
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
		if err := b.Read(logits, q.logits); err != nil {
			return err
		}
	}
	if len(q.evaluations) == backend.MaxPending/2 {
		return p.collect(q)
	}
	return nil
}

// collect gives all evaluations what the runs of a program have measured. The lock is held.
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

// sums are what has been measured on images so far.
type sums struct {
	Images  int     `json:"images"`
	Loss    float64 `json:"loss"` // sum over images
	Correct int     `json:"correct"`
}

func (s *sums) add(m backend.StepMetrics) {
	s.Images += m.Images
	s.Loss += float64(m.Images) * (m.Loss + m.Penalty)
	s.Correct += m.Correct
}

func (s sums) result() Result {
	n := float64(max(s.Images, 1))
	return Result{Loss: s.Loss / n, Accuracy: float64(s.Correct) / n}
}

// fits reports an error unless the images are those that the network takes.
func (net *Network) fits(data Data) error {
	h, w, c := data.Shape()
	if shape := (tensor.Shape{h, w, c}); !shape.Equal(net.Input) {
		return fmt.Errorf("nn: images of shape %v, but the network takes %v", shape, net.Input)
	}
	if data.Classes() != net.Classes {
		return fmt.Errorf("nn: data of %d classes, but the network tells %d apart", data.Classes(), net.Classes)
	}
	if data.Len() == 0 {
		return errors.New("nn: a data set without images")
	}
	return nil
}
