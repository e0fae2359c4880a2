package nn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

var errBusy = errors.New("nn: the trainer is running")

// pollInterval is the time after which the trainer takes the metrics of the steps, for which it may
// have to wait for the device.
const pollInterval = 50 * time.Millisecond

// Trainer trains a network step by step.
//
// One goroutine at a time may use a Trainer: Run and Resume return an error while either runs, and
// its State may be read or saved only between them or in a callback. Its Model, and anything else
// on the same backend, may be used by other goroutines at any time. They run between two steps.
type Trainer struct {
	*State
	busy      atomic.Bool // Run or Resume runs
	config    Config
	batch     int
	data      *source
	nodes     []node
	values    []tensor.Tensor // of the nodes, at the largest batch
	sides     []tensor.Tensor // for gradients, see flow
	labels    tensor.Tensor
	gradients tensor.Tensor // of one parameter group at a time
	fresh     tensor.Tensor // of Position.Fresh; nil without a BatchNorm layer
	weights   tensor.Tensor // of the classes; nil if they are equal
	constants tensor.Tensor // see constant; nil if there are none
	copies    []constant
	digest    []byte // of the constants; nil before they are computed
	groups    paramGroups
	programs  map[programKey]*program
	predictor *Predictor
	measured  *source  // the validation set, as the predictor reads it
	last      *program // of the last step
	pending   int      // steps whose metrics collect has not seen
	metrics   []backend.StepMetrics
	saved     time.Time // the last checkpoint of this Run, or its beginning
	newest    string    // the path of a checkpoint that is known to be intact: resumed from, or saved
}

// programKey is what a program is for: a number of images, and how many of the first nodes rest.
type programKey struct{ images, resting int }

// program is a training step.
type program struct {
	images, labels tensor.Tensor
	step           backend.Step
}

// NewTrainer allocates and plans everything that training needs on a backend, and initializes the
// weights. Close frees it.
func NewTrainer(b backend.Backend, net *Network, c Config) (*Trainer, error) {
	if err := c.check(net); err != nil {
		return nil, err
	}
	d := newScope(b, "trainer")
	var t *Trainer
	err := d.do(func() (err error) {
		t, err = c.trainer(d, net)
		return err
	})
	if err == nil && c.From != nil {
		err = t.Model.take(c.From)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return t, nil
}

// trainer is NewTrainer on a scope whose lock is held.
func (c Config) trainer(d *scope, net *Network) (*Trainer, error) {
	m, err := newModel(d, net)
	if err != nil {
		return nil, err
	}
	if err := m.init(c.Init, c.Seed); err != nil {
		return nil, err
	}
	if c.Whiten != "" {
		if err := m.whiten(c.Whiten, c.Data); err != nil {
			return nil, err
		}
	}
	c.Optimizer = c.optimizer()
	t := &Trainer{config: c, batch: min(c.Batch, c.Data.Len()), programs: map[programKey]*program{}}
	t.State = &State{Model: m, Position: Position{Seed: c.Seed, Batch: t.batch, Images: c.Data.Len(), Settings: c.Settings}}
	if t.velocities, err = d.Parameters(tensor.Shape{net.ParameterSize}); err != nil {
		return nil, err
	}
	if t.Optimizer = c.Optimizer.name(); t.Optimizer == adamW {
		if t.squares, err = d.Parameters(tensor.Shape{net.ParameterSize}); err != nil {
			return nil, err
		}
	}
	if c.ClassWeights != nil {
		if t.weights, err = d.Parameters(tensor.Shape{net.Classes}); err != nil {
			return nil, err
		}
		if err := d.Write(t.weights, c.ClassWeights); err != nil {
			return nil, err
		}
	}
	if err := t.makeGroups(); err != nil {
		return nil, err
	}
	if t.labels, err = d.Parameters(tensor.Shape{t.batch}); err != nil {
		return nil, err
	}
	if norms := net.batchNorms(); len(norms) > 0 {
		if t.fresh, err = d.Parameters(tensor.Shape{len(norms)}); err != nil {
			return nil, err
		}
	}
	t.nodes = net.nodes(false)
	if err := t.makeConstants(); err != nil {
		return nil, err
	}
	if t.values, err = d.activations(net.shapes(t.nodes), t.batch); err != nil {
		return nil, err
	}
	if t.sides, err = d.activations(newFlow(t.nodes).sides, t.batch); err != nil {
		return nil, err
	}
	t.predictor, err = m.predictor(t.batch, t.labels, func(shapes []tensor.Shape) ([]tensor.Tensor, error) {
		return d.reuse(slices.Concat(t.values, t.sides), shapes, t.batch)
	})
	if err != nil {
		return nil, err
	}
	t.predictor.penalty = t.penalty()
	t.predictor.smoothing = c.LabelSmoothing
	// Making all programs now finds out whether the memory suffices, and measures algorithms.
	for _, n := range sizes(c.Data.Len(), t.batch) {
		for epoch := range max(1, c.Epochs) {
			rates, err := c.Optimizer.rates(epoch*t.Steps(), t.Steps(), c.Epochs)
			if err != nil {
				break // which the step reports
			}
			if _, err = t.program(n, rates); err != nil {
				return nil, err
			}
		}
	}
	if c.Validation != nil {
		for _, n := range sizes(c.Validation.Len(), t.batch) {
			if _, err = t.predictor.program(n); err != nil {
				return nil, err
			}
		}
	}
	// The images get only memory that is left: training works without it.
	if t.data, err = newSource(d, c.Data, t.batch); err != nil || c.Validation == nil {
		return t, err
	}
	t.measured, err = newSource(d, c.Validation, t.batch)
	t.predictor.resident = t.measured
	return t, err
}

// Close waits for the step that runs and frees the memory of the trainer and its model. Later calls
// return an error, and so does a Run that has not ended.
func (t *Trainer) Close() error { return t.Model.Close() }

// sizes returns the sizes of an epoch's batches, each once, the largest first.
func sizes(images, batch int) (sizes []int) {
	if images >= batch {
		sizes = append(sizes, batch)
	}
	if rest := images % batch; rest > 0 {
		sizes = append(sizes, rest)
	}
	return sizes
}

// penalty returns a function that measures the L2 penalty of the weights.
func (t *Trainer) penalty() func() (float64, error) {
	step := t.Model.backend.Record(func() {
		for i := range t.groups {
			t.groups[i].penalty()
		}
	})
	return func() (penalty float64, err error) {
		err = t.Model.backend.do(func() error {
			if err := step.Run(backend.StepValues{}); err != nil {
				return err
			}
			metrics, err := step.Metrics(nil)
			if err != nil {
				return err
			}
			penalty = metrics[0].Penalty
			return nil
		})
		return penalty, err
	}
}

// Steps returns the number of steps in an epoch.
func (t *Trainer) Steps() int { return (t.Images + t.batch - 1) / t.batch }

// resting returns how many of the first nodes have no weight that moves at these rates. Their
// backward passes are left out.
func (t *Trainer) resting(rates [backend.MaxRates]float32) int {
	for i, n := range t.nodes {
		for _, w := range n.weights {
			if w.Trainable && !t.config.Optimizer.rests(w, rates) {
				return i
			}
		}
	}
	return len(t.nodes)
}

// program returns the training step for n images at these rates, which it makes at the first use.
func (t *Trainer) program(n int, rates [backend.MaxRates]float32) (*program, error) {
	key := programKey{n, t.resting(rates)}
	if made, ok := t.programs[key]; ok {
		return made, nil
	}
	b, m := t.Model.backend, t.Model
	c := &compiler{Model: m, n: n, gradients: t.gradients, fresh: t.fresh, groups: t.groups, seed: t.Seed,
		nodes: t.nodes, resting: key.resting, sides: t.sides, constants: t.constants}
	for i, s := range m.shapes(t.nodes) {
		c.values = append(c.values, b.View(t.values[i], 0, batch(n, s)))
	}
	forward, backward, err := c.compile()
	if err != nil {
		return nil, err
	}
	spec := m.loss(n)
	spec.Smoothing, spec.Weights = t.config.LabelSmoothing, t.weights
	loss, err := b.Loss(spec)
	if err != nil {
		return nil, err
	}
	images, logits, labels := c.values[0], c.values[len(c.values)-1], b.View(t.labels, 0, tensor.Shape{n})
	made := &program{images: images, labels: labels, step: b.Record(func() {
		t.data.generate(images)
		forward.run()
		loss.Forward(logits, labels)
		loss.Backward(logits, logits, labels)
		backward.run()
	})}
	t.programs[key] = made
	return made, nil
}

// step trains on one batch of the source.
func (t *Trainer) step(images, labels []float32) error {
	if err := t.Model.backend.do(func() error { return t.run(images, labels) }); err != nil {
		return err
	}
	t.Step++
	t.EpochStep++
	t.pending++
	return nil
}

// run runs the step on a batch. The lock is held.
func (t *Trainer) run(images, labels []float32) error {
	rates, err := t.config.Optimizer.rates(t.Step, t.Steps(), t.config.Epochs)
	if err != nil {
		return err
	}
	p, err := t.program(len(labels), rates)
	if err != nil {
		return err
	}
	if t.digest == nil {
		if err := t.computeConstants(); err != nil {
			return err
		}
	}
	b := t.Model.backend
	if err := t.data.write(p.images, images); err != nil {
		return err
	}
	if err := b.Write(p.labels, labels); err != nil {
		return err
	}
	if p != t.last { // metrics are added in the order of the steps
		if err := t.takeMetrics(); err != nil {
			return err
		}
		t.last = p
	}
	rate := t.rate(t.Step)
	if err := checkRate(rate, t.Step); err != nil {
		return err
	}
	if o, ok := t.config.Optimizer.(AdamW); ok && o.Start > 0 {
		rate *= o.correction(t.Step)
	}
	return p.step.Run(backend.StepValues{LearningRate: float32(rate), Rates: rates, Step: uint64(t.Step)})
}

func (t *Trainer) rate(step int) float64 {
	return t.config.Schedule.At(step, t.Steps(), t.config.Epochs)
}

// Run trains from the current state to the last epoch. When ctx is done, Run finishes the step,
// saves, and returns ctx's cause, or why it could not save. When the loss is not finite, Run stops
// with an error and leaves the checkpoint as it was.
func (t *Trainer) Run(ctx context.Context) error {
	if !t.busy.CompareAndSwap(false, true) {
		return errBusy
	}
	defer t.busy.Store(false)
	t.saved = time.Now()
	if err := t.begin(); err != nil {
		return err
	}
	if err := t.Model.backend.do(t.computeConstants); err != nil {
		return err
	}
	for t.Epoch < t.config.Epochs {
		err := t.epoch(ctx)
		if err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
			if failed := t.save(); failed != nil {
				return failed
			}
			return err
		}
		if err != nil {
			return err
		}
		saves := t.savesEpoch()
		if saves {
			if err := t.save(); err != nil {
				return err
			}
		}
		if t.config.OnEpoch == nil {
			continue
		}
		if err := t.config.OnEpoch(t.History[len(t.History)-1]); err != nil {
			if !saves {
				if failed := t.save(); failed != nil {
					return failed
				}
			}
			return err
		}
	}
	return nil
}

// epochInterval is the least time between the checkpoints of two epochs. Where an epoch takes a
// second, saving each would take as long as training.
const epochInterval = 30 * time.Second

// savesEpoch reports whether the epoch that has just ended is to be saved.
func (t *Trainer) savesEpoch() bool {
	interval := epochInterval
	if every := t.config.CheckpointEvery; every > 0 {
		interval = min(interval, every)
	}
	return t.Epoch == 1 || t.Epoch == t.config.Epochs || time.Since(t.saved) >= interval
}

// epoch trains the rest of an epoch and evaluates the model.
func (t *Trainer) epoch(ctx context.Context) error {
	if err := t.train(ctx); err != nil {
		return err
	}
	var val Result
	if t.measured != nil {
		var err error
		if val, err = t.predictor.evaluate(ctx, t.measured, t.config.OnValidation); err != nil {
			return err
		}
		if !tensor.Finite(val.Loss) {
			return fmt.Errorf("epoch %d: the validation loss is %v: %w", t.Epoch+1, val.Loss, ErrDiverged)
		}
	}
	t.History = append(t.History, Row{
		Epoch: t.Epoch + 1, Result: t.Sums.result(), Validation: val,
		LearningRate: t.rate(t.Step - 1), ImagesPerSecond: t.speed()})
	t.Epoch++
	t.EpochStep, t.Sums, t.Seconds = 0, sums{}, 0
	return nil
}

// train runs the remaining steps of an epoch.
func (t *Trainer) train(ctx context.Context) error {
	last := time.Now()
	for images, labels := range t.data.batches(t.Epoch, t.EpochStep, t.batch) {
		if ctx.Err() != nil {
			break
		}
		if err := t.step(images, labels); err != nil {
			return err
		}
		if !t.config.EveryStep && t.pending < backend.MaxPending/2 && time.Since(last) < pollInterval {
			continue
		}
		if err := t.collect(&last); err != nil {
			return err
		}
		if every := t.config.CheckpointEvery; every > 0 && time.Since(t.saved) >= every {
			if err := t.save(); err != nil {
				return err
			}
			last = time.Now() // the speed does not include saving
		}
	}
	if err := cmp.Or(t.collect(&last), dataErr(t.data.data)); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// takeMetrics takes the metrics of the last program's steps. The lock is held.
func (t *Trainer) takeMetrics() (err error) {
	if t.last != nil {
		t.metrics, err = t.last.step.Metrics(t.metrics)
	}
	return err
}

// collect adds the metrics of the steps since the last call, and the time since *last, to the
// epoch's sums.
func (t *Trainer) collect(last *time.Time) error {
	err := t.Model.backend.do(t.takeMetrics)
	defer func() { t.metrics = t.metrics[:0] }()
	if err != nil {
		return err
	}
	for i, m := range t.metrics {
		if loss := m.Loss + m.Penalty; !tensor.Finite(loss) {
			return fmt.Errorf("epoch %d, step %d: the loss is %v: %w",
				t.Epoch+1, t.EpochStep-len(t.metrics)+i+1, loss, ErrDiverged)
		}
		t.Sums.add(m)
	}
	t.Seconds += time.Since(*last).Seconds()
	*last = time.Now()
	if t.pending > 0 && t.config.OnStep != nil {
		t.config.OnStep(Progress{Epoch: t.Epoch + 1, Step: t.EpochStep, Steps: t.Steps(), Result: t.Sums.result(),
			LearningRate: t.rate(t.Step - 1), ImagesPerSecond: t.speed()})
	}
	t.pending = 0
	return nil
}

// ErrDiverged reports a loss or weights that are not finite.
var ErrDiverged = errors.New("training has diverged; a smaller learning rate or a warm-up may help")

// speed returns the epoch's images per second of training.
func (t *Trainer) speed() float64 { return float64(t.Sums.Images) / max(t.Seconds, 1e-9) }

// save writes the checkpoint, if one is configured. It keeps the one before, unless that may be
// damaged: it must not replace an older one that is intact.
func (t *Trainer) save() error {
	path, previous := t.config.Checkpoint, ""
	if path == "" {
		return nil
	}
	if path == t.newest {
		previous = PreviousCheckpoint(path)
	}
	err := t.write(path, previous)
	t.saved = time.Now()
	if err == nil {
		t.newest = path
	}
	return err
}
