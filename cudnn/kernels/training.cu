// Loss and optimizer.

// Row is the summary of a row of logits in a block of 32 threads: the largest, which class has it
// first, and Σ exp(logit − largest). A NaN makes all NaN, with no class.
struct Row {
	float largest;
	int best;
	double sum;
};

static __device__ Row row_of(const act *logits, int classes) {
	__shared__ float value[32];
	__shared__ int place[32];
	int t = threadIdx.x;
	float largest = floor_of(0);
	int best = classes;
	for (int i = t; i < classes; i += 32) {
		float v = widen(logits[i]);
		if (best == classes || above(v, largest)) largest = v, best = i;
	}
	value[t] = largest, place[t] = best;
	for (int n = 16; n > 0; n /= 2) {
		__syncthreads();
		if (t >= n) continue;
		float v = value[t + n];
		int p = place[t + n];
		bool first = p < place[t] && !above(value[t], v); // equal, or above
		if (p < classes && (place[t] == classes || above(v, value[t]) || first)) value[t] = v, place[t] = p;
	}
	__syncthreads();
	Row r = {value[0], value[0] == value[0] ? place[0] : classes, 0};
	for (int i = t; i < classes; i += 32) r.sum += exp((double)widen(logits[i]) - (double)r.largest);
	r.sum = fold(r.sum, 1);
	return r;
}

// softmax_loss measures the cross-entropy of the softmax of each row of logits against its label,
// and whether the first of its largest logits is that of the label, in losses and correct, (rows,);
// the last block adds them to the metrics of the step: loss += Σ/rows, correct += Σ, images = rows.
// A label that is no class makes the loss NaN. Block 32, grid rows.
KERNEL softmax_loss(StepMetrics *metrics, const StepState *state, const act *logits, const float *labels, double *losses, int *correct,
                    unsigned *counters, int rows, int classes) {
	const act *x = logits + (long long)blockIdx.x * classes;
	Row r = row_of(x, classes);
	if (threadIdx.x == 0) {
		int label = (int)labels[blockIdx.x];
		bool known = label >= 0 && label < classes;
		double nan = __uint_as_float(0x7fc00000u);
		losses[blockIdx.x] = known ? log(r.sum) - ((double)widen(x[label]) - (double)r.largest) : nan;
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

// softmax_grad sets d = (softmax(logits) − onehot(label))/rows; d may be logits. Block 32, grid
// rows.
KERNEL softmax_grad(act *d, const act *logits, const float *labels, int rows, int classes) {
	long long at = (long long)blockIdx.x * classes;
	Row r = row_of(logits + at, classes);
	int label = (int)labels[blockIdx.x];
	for (int i = threadIdx.x; i < classes; i += 32) {
		double p = exp((double)widen(logits[at + i]) - (double)r.largest) / r.sum;
		d[at + i] = narrow((float)((p - (i == label)) / rows));
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

// penalty only measures: it adds Σ λ·w² to the metrics of the step. As sgd_step. Bytes: 4 for a
// parameter with λ ≠ 0.
KERNEL penalty(const float *w, const Range *ranges, double *penalties, StepMetrics *metrics, const StepState *state, unsigned *counters) {
	Range p = ranges[blockIdx.x];
	float squares = 0;
	if (p.lambda != 0)
		for (int i = threadIdx.x; i < p.size; i += 256) squares += w[p.from + i] * w[p.from + i];
	penalize(squares, p.lambda, penalties, metrics, state, counters);
}
