// Loss and optimizer.

// loss measures the cross-entropy of the softmax of each row of logits, or of the sigmoid of its one
// logit, against the target of its label: 1 − smoothing for the label, and smoothing/classes for
// all. It is multiplied by weights[label], if weights is not null. The last block adds these losses,
// and how often the first of the largest logits is that of the label, to the metrics of the step:
// loss += Σ/rows, correct += Σ, images = rows. A label that is no class makes the loss NaN. losses
// and correct are scratch, (rows,). Block 32, grid rows.
KERNEL loss(StepMetrics *metrics, const StepState *state, const act *logits, const float *labels, const float *weights, double *losses, int *correct,
            unsigned *counters, int rows, int classes, int sigmoid, float smoothing) {
	const act *x = logits + (long long)blockIdx.x * (sigmoid ? 1 : classes);
	Row r = row_of(x, classes, sigmoid);
	double below = 0; // Σ of the distances from the largest
	if (smoothing != 0) {
		for (int i = threadIdx.x; i < classes; i += 32) below += (double)r.largest - (double)logit(x, i, sigmoid);
		below = fold(below, 1);
	}
	if (threadIdx.x == 0) {
		int label = (int)labels[blockIdx.x];
		bool known = label >= 0 && label < classes;
		double value = __uint_as_float(0x7fc00000u); // NaN
		if (known) {
			value = log(r.sum) + (1 - (double)smoothing) * ((double)r.largest - (double)logit(x, label, sigmoid));
			if (smoothing != 0) value += smoothing * below / classes;
			if (weights) value *= weights[label];
		}
		losses[blockIdx.x] = value;
		correct[blockIdx.x] = known && r.best == label;
	}
	if (!last_block(counters, gridDim.x)) return;
	double loss = 0, right = 0;
	for (int i = threadIdx.x; i < rows; i += 32) loss += __ldcg(&losses[i]), right += __ldcg(&correct[i]);
	loss = fold(loss, 1), right = fold(right, 1);
	if (threadIdx.x > 0) return;
	StepMetrics *m = &metrics[state->slot];
	m->loss += loss / rows, m->images = rows, m->correct += (int)right;
}

// loss_grad sets d to the gradient of the loss: (p − target)·weight/rows; d may be logits. Block 32,
// grid rows.
KERNEL loss_grad(act *d, const act *logits, const float *labels, const float *weights, int rows, int classes, int sigmoid, float smoothing) {
	long long at = (long long)blockIdx.x * (sigmoid ? 1 : classes);
	Row r = row_of(logits + at, classes, sigmoid);
	int label = (int)labels[blockIdx.x];
	double weight = weights && label >= 0 && label < classes ? weights[label] : 1;
	for (int i = threadIdx.x + sigmoid; i < classes; i += 32) {
		double p = exp((double)logit(logits + at, i, sigmoid) - (double)r.largest) / r.sum;
		double target = (i == label ? 1 - (double)smoothing : 0.0) + (double)smoothing / classes;
		d[at + i - sigmoid] = narrow((float)((p - target) * weight / rows));
	}
}

// penalize measures λ·Σ of a block's range, of which each thread brings its squares, and adds the
// ranges of all blocks to the penalty of the step.
static __device__ void penalize(float squares, float lambda, double *penalties, StepMetrics *metrics, const StepState *state, unsigned *counters) {
	double sum = lambda == 0 ? 0.0 : lambda * fold(squares, 1); // λ is that of the whole block
	if (threadIdx.x == 0) penalties[blockIdx.x] = sum;
	if (!last_block(counters, gridDim.x)) return;
	sum = 0;
#pragma unroll 4
	for (int i = threadIdx.x; i < gridDim.x; i += blockDim.x) sum += __ldcg(&penalties[i]);
	sum = fold(sum, 1);
	if (threadIdx.x == 0) metrics[state->slot].penalty += sum;
}

// Update is the step of one parameter, with the roundings of Keras: no product is fused with a sum.
struct Update {
	float rate, momentum, twice_lambda;
	bool nesterov;
	__device__ void operator()(float &w, float &v, float g) const {
		g = __fadd_rn(g, __fmul_rn(twice_lambda, w));
		float move = __fmul_rn(rate, g);
		v = __fsub_rn(__fmul_rn(momentum, v), move);
		w = nesterov ? __fsub_rn(__fadd_rn(w, __fmul_rn(momentum, v)), move) : __fadd_rn(w, v);
	}
};

// sgd_step makes a step on parameters,
//
//	g' = g + 2λ·w;  v ← m·v − lr·g';  w ← w + m·v − lr·g'  (w ← w + v without nesterov)
//
// and adds Σ λ·w² of the old w to the metrics of the step. penalties is scratch, (ranges,). Block
// 256, grid the number of ranges. Bytes: 20 per parameter.
KERNEL sgd_step(float *__restrict__ w, float *__restrict__ v, const float *__restrict__ g, const Range *ranges, double *penalties,
                StepMetrics *metrics, const StepState *state, unsigned *counters, float momentum, int nesterov) {
	Range p = ranges[blockIdx.x];
	Update update = {state->learning_rate, momentum, 2 * p.lambda, nesterov != 0};
	w += p.from, v += p.from, g += p.from;
	float squares = 0;
	int done = 0;
	if (aligned(w, 16) && aligned(v, 16) && aligned(g, 16)) {
		done = p.size & ~3;
#pragma unroll 2
		for (int i = 4 * threadIdx.x; i < done; i += 4 * 256) {
			float wi[4], vi[4], gi[4];
			load(wi, w + i), load(vi, v + i), load(gi, g + i);
			for (int k = 0; k < 4; k++) {
				squares += wi[k] * wi[k];
				update(wi[k], vi[k], gi[k]);
			}
			store(w + i, wi), store(v + i, vi);
		}
	}
	for (int i = done + threadIdx.x; i < p.size; i += 256) {
		squares += w[i] * w[i];
		update(w[i], v[i], g[i]);
	}
	penalize(squares, p.lambda, penalties, metrics, state, counters);
}

// adamw_step makes a step of AdamW on parameters (backend.AdamWSpec): m and v are its state. It adds
// the penalty, as sgd_step does, and has the same geometry. Bytes: 28 per parameter.
KERNEL adamw_step(float *__restrict__ w, float *__restrict__ m, float *__restrict__ v, const float *__restrict__ g, const Range *ranges, double *penalties,
                  StepMetrics *metrics, const StepState *state, unsigned *counters, float beta1, float beta2, float epsilon, float weight_decay) {
	Range p = ranges[blockIdx.x];
	__shared__ float corrected; // rate
	if (threadIdx.x == 0) {
		double t = (double)state->step + 1;
		corrected = (float)(state->learning_rate * sqrt(1 - pow((double)beta2, t)) / (1 - pow((double)beta1, t)));
	}
	__syncthreads();
	float rate = corrected, shrink = state->learning_rate * weight_decay, rest1 = 1 - beta1, rest2 = 1 - beta2, twice = 2 * p.lambda, squares = 0;
	w += p.from, m += p.from, v += p.from, g += p.from;
	for (int i = threadIdx.x; i < p.size; i += 256) {
		float d = g[i] + twice * w[i];
		squares += w[i] * w[i];
		float mi = m[i] + (d - m[i]) * rest1, vi = v[i] + (d * d - v[i]) * rest2;
		m[i] = mi, v[i] = vi;
		w[i] = w[i] - shrink * w[i] - rate * mi / (sqrtf(vi) + epsilon);
	}
	penalize(squares, p.lambda, penalties, metrics, state, counters);
}

// penalty only measures: it adds Σ λ·w² to the metrics of the step. As sgd_step. Bytes: 4 for a
// parameter with λ ≠ 0.
KERNEL penalty(const float *w, const Range *ranges, double *penalties, StepMetrics *metrics, const StepState *state, unsigned *counters) {
	Range p = ranges[blockIdx.x];
	float squares = 0;
	if (p.lambda != 0)
		for (int i = threadIdx.x; i < p.size; i += 256) squares += w[p.from + i] * w[p.from + i];
	penalize(squares, p.lambda, penalties, metrics, state, counters);
}
