// Batch normalization. A plan owns saved, 6 arrays of (channels,) that begin at a multiple of 16
// bytes. With them
//
//	z = (x − MEAN)·SCALE + BETA, y = f(z)
//	dx = SCALE·g − A − (x − MEAN)·B
//
// for the gradient g of z, which is f'(z)·dy, where f is a Floor or a Function (function.cu). Where
// a 2x2 max pool follows, dy goes to the first of the largest z of each window.
enum { MEAN, SCALE, BETA, RSTD, A, B };

// Norm is what a thread needs of its channels. All passes round z alike.
template <int V> struct Norm {
	float mean[V], scale[V], beta[V];
	__device__ Norm(const float *saved, int channels, int c) {
		load(mean, saved + MEAN * (long long)channels + c);
		load(scale, saved + SCALE * (long long)channels + c);
		load(beta, saved + BETA * (long long)channels + c);
	}
	__device__ float z(float x, int v) const { return __fadd_rn(__fmul_rn(__fsub_rn(x, mean[v]), scale[v]), beta[v]); }
};

// NormGrad is a Norm with what the gradient needs.
template <int V> struct NormGrad : Norm<V> {
	float a[V], b[V];
	__device__ NormGrad(const float *saved, int channels, int c) : Norm<V>(saved, channels, c) {
		load(a, saved + A * (long long)channels + c);
		load(b, saved + B * (long long)channels + c);
	}
	__device__ float dx(float g, float x, int v) const { return this->scale[v] * g - a[v] - (x - this->mean[v]) * b[v]; }
};

// Window is a window of a 2x2 max pool of stride 2. Those at odd last rows and columns are cut off.
struct Window {
	long long x, y;   // pixels: the first of the window, and the pooled one
	int right, down;  // pixels from the first to the others
	bool inside[4];   // which there are
	__device__ bool whole() const { return inside[3]; }
	__device__ long long pixel(int i) const { return x + (i & 1) * right + (i >> 1) * down; }
};

// window returns window i of images of h rows and w columns, of which there are high rows of
// wide, with or without those that are cut off.
static __device__ Window window(unsigned i, int h, int w, int high, int wide) {
	unsigned column = i % wide, row = i / wide % high, image = i / wide / high;
	Window p;
	p.x = ((long long)image * h + 2 * row) * w + 2 * column;
	p.y = ((long long)image * (h / 2) + row) * (w / 2) + column;
	p.right = 1, p.down = w;
	bool right = 2 * column + 1 < w, down = 2 * row + 1 < h;
	p.inside[0] = true, p.inside[1] = right, p.inside[2] = down, p.inside[3] = right && down;
	return p;
}

template <int V> static __device__ void load_window(float (&x)[4][V], const act *p, const Window &win, int channels, int c) {
#pragma unroll
	for (int i = 0; i < 4; i++)
		if (win.inside[i]) load(x[i], p + win.pixel(i) * channels + c);
}

template <int V> static __device__ void statistics(float *saved, float *running_mean, float *running_variance,
                                                   const float *gamma, const float *beta, const act *x, float *partials, unsigned *counters,
                                                   long long rows, int channels, float epsilon, float momentum, int unbiased,
                                                   const float *fresh, const float *bias, const StepState *state) {
	int c = column<V>();
	Span s = chunk(rows, blockIdx.y);
	float sums[2][V] = {}; // of x − pivot and of its square; the pivot is the chunk's first row
	if (c < channels && s.first < s.last) {
		float pivot[V];
		load(pivot, x + s.first * channels + c);
#pragma unroll 4
		for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
			float z[V];
			load(z, x + r * channels + c);
			for (int v = 0; v < V; v++) {
				float d = z[v] - pivot[v];
				sums[0][v] += d;
				sums[1][v] += d * d;
			}
		}
	}
	add_threads<2, V>(partials, sums, channels);
	if (!last_block(&counters[blockIdx.x], gridDim.y)) return;

	// First the mean of all, as its distance from the first element of the channel. Then the sum of
	// squares about it: of a chunk with n rows, of sums s and q about its pivot, and of a mean at
	// distance d from that of all, it is q − s²/n + n·d² (Chan, Golub and LeVeque, 1979).
	Finish<V> f;
	bool mine = f.channel < channels;
	const act *in = x + f.channel;
	const float *partial = partials + f.channel;
	long long each = chunk_rows(rows);
	int used = mine ? (int)((rows + each - 1) / each) : 0; // chunks that are not empty
	float first = mine ? widen(in[0]) : 0, sum = 0, squares = 0;
#pragma unroll 8
	for (int i = f.slice; i < used; i += f.slices) {
		float n = i < used - 1 ? each : rows - i * each, s = __ldcg(&partial[2ll * i * channels]);
		sum += n * (widen(in[i * each * channels]) - first) + s;
	}
	double mean = fold(sum, f.width) / rows;
	float away = (float)mean;
#pragma unroll 8
	for (int i = f.slice; i < used; i += f.slices) {
		float n = i < used - 1 ? each : rows - i * each;
		float s = __ldcg(&partial[2ll * i * channels]), q = __ldcg(&partial[(2ll * i + 1) * channels]);
		float m = s / n, d = widen(in[i * each * channels]) - first - away + m, within = q - s * m;
		squares += (within < 0 ? 0 : within) + n * d * d;
	}
	double variance = fold(squares, f.width) / rows;
	if (f.slice > 0 || !mine) return;

	c = f.channel;
	mean += first;
	double rstd = 1 / sqrt(variance + epsilon);
	saved[MEAN * (long long)channels + c] = (float)mean;
	saved[SCALE * (long long)channels + c] = (float)((gamma ? gamma[c] : 1) * rstd);
	saved[BETA * (long long)channels + c] = beta ? beta[c] : 0;
	saved[RSTD * (long long)channels + c] = (float)rstd;
	double keep = momentum, step = state->step;
	if (fresh && *fresh != 0) keep = fmin(keep, step / (step + 10));
	double correction = unbiased ? rows / (rows > 2 ? rows - 1.0 : 1.0) : 1.0;
	if (bias) mean += bias[c];
	running_mean[c] = (float)(keep * running_mean[c] + (1 - keep) * mean);
	running_variance[c] = (float)(keep * running_variance[c] + (1 - keep) * variance * correction);
}

// bn_statistics makes saved (all but A and B) of the batch x and of gamma and beta, and updates the
// running statistics: running = k·running + (1 − k)·batch, where unbiased takes rows/(rows − 1) of
// the variance. k is momentum; where fresh is not null and *fresh not 0, it is at most t/(t + 10) in
// step t. A null gamma is 1, a null beta 0. bias, if not null, is what has not been added to x: it
// belongs to the running mean, and nothing else depends on it. Geometry C. Bytes: 1.
KERNEL bn_statistics(float *saved, float *running_mean, float *running_variance, const float *gamma, const float *beta, const act *x,
                     float *partials, unsigned *counters, long long rows, int channels, float epsilon, float momentum, int unbiased,
                     const float *fresh, const float *bias, const StepState *state) {
	if (channels % VEC == 0)
		statistics<VEC>(saved, running_mean, running_variance, gamma, beta, x, partials, counters, rows, channels, epsilon, momentum, unbiased, fresh, bias, state);
	else
		statistics<1>(saved, running_mean, running_variance, gamma, beta, x, partials, counters, rows, channels, epsilon, momentum, unbiased, fresh, bias, state);
}

// bn_running makes saved of the running statistics instead, with A and B for constant statistics: 0.
// Geometry E for n = channels.
KERNEL bn_running(float *saved, const float *gamma, const float *beta, const float *mean, const float *variance, int channels, float epsilon) {
	for (int c = blockIdx.x * blockDim.x + threadIdx.x; c < channels; c += gridDim.x * blockDim.x) {
		saved[MEAN * (long long)channels + c] = mean[c];
		float sigma = sqrtf(variance[c] + epsilon);
		saved[SCALE * (long long)channels + c] = (gamma ? gamma[c] : 1) / sigma;
		saved[BETA * (long long)channels + c] = beta ? beta[c] : 0;
		saved[RSTD * (long long)channels + c] = 1 / sigma;
		saved[A * (long long)channels + c] = 0;
		saved[B * (long long)channels + c] = 0;
	}
}

template <int V, class F> static __device__ void apply(act *y, const act *x, const float *saved, long long rows, int channels, F f) {
	int c = column<V>();
	if (c >= channels) return;
	Norm<V> norm(saved, channels, c);
	Span s = chunk(rows, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += 4 * blockDim.y) {
		float z[4][V]; // loaded together, for the compiler does not know that y is not x
#pragma unroll
		for (int k = 0; k < 4; k++)
			if (r + k * blockDim.y < s.last) load(z[k], x + (r + k * blockDim.y) * channels + c);
#pragma unroll
		for (int k = 0; k < 4; k++) {
			for (int v = 0; v < V; v++) z[k][v] = f.value(norm.z(z[k][v], v));
			if (r + k * blockDim.y < s.last) store(y + (r + k * blockDim.y) * channels + c, z[k]);
		}
	}
}

// bn_apply sets y to the normalized x, and with relu to max(0, …). Geometry C. Bytes: 2.
KERNEL bn_apply(act *y, const act *x, const float *saved, long long rows, int channels, int relu) {
	if (channels % VEC == 0) apply<VEC>(y, x, saved, rows, channels, Floor(relu));
	else apply<1>(y, x, saved, rows, channels, Floor(relu));
}

// bn_apply_function is bn_apply with any Function.
KERNEL bn_apply_function(act *y, const act *x, const float *saved, long long rows, int channels, int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	if (channels % VEC == 0) apply<VEC>(y, x, saved, rows, channels, f);
	else apply<1>(y, x, saved, rows, channels, f);
}

template <int V> static __device__ void apply_pool(act *y, const act *x, const float *saved, int n, int h, int w, int channels, Floor f) {
	int c = column<V>(), high = h / 2, wide = w / 2;
	if (c >= channels) return;
	Norm<V> norm(saved, channels, c);
	Span s = chunk((long long)n * high * wide, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Window win = window((unsigned)r, h, w, high, wide);
		float z[4][V], best[V];
		load_window(z, x, win, channels, c);
		for (int v = 0; v < V; v++) {
			best[v] = norm.z(z[0][v], v);
			for (int i = 1; i < 4; i++) {
				float next = norm.z(z[i][v], v);
				if (above(next, best[v])) best[v] = next;
			}
			best[v] = f.value(best[v]);
		}
		store(y + win.y * channels + c, best);
	}
}

// bn_apply_pool is bn_apply and then a 2x2 max pool: x is (n, h, w, channels), y (n, ⌊h/2⌋, ⌊w/2⌋,
// channels). Geometry C for the rows of y. Bytes: 1.25.
KERNEL bn_apply_pool(act *y, const act *x, const float *saved, int n, int h, int w, int channels, int relu) {
	if (channels % VEC == 0) apply_pool<VEC>(y, x, saved, n, h, w, channels, Floor(relu));
	else apply_pool<1>(y, x, saved, n, h, w, channels, Floor(relu));
}

// finish_sums adds the partial sums of Σg and Σg·(x − MEAN) in the last block, and computes dβ, dγ,
// A and B from them. rows are those of x.
template <int V> static __device__ void finish_sums(float *dgamma, float *dbeta, float *saved, const float *partials, unsigned *counters, long long rows, int channels, int frozen) {
	if (!last_block(&counters[blockIdx.x], gridDim.y)) return;
	double sum = add_partials<2, V>(partials, 0, channels), product = add_partials<2, V>(partials, 1, channels);
	Finish<V> f;
	if (f.slice > 0 || f.channel >= channels) return;
	int c = f.channel;
	double rstd = saved[RSTD * (long long)channels + c], scale = saved[SCALE * (long long)channels + c] / (double)rows;
	if (dbeta) dbeta[c] = (float)sum;
	if (dgamma) dgamma[c] = (float)(product * rstd);
	if (frozen) return; // A and B are 0, and stay so
	saved[A * (long long)channels + c] = (float)(scale * sum);
	saved[B * (long long)channels + c] = (float)(scale * product * rstd * rstd);
}

template <int V, class F> static __device__ void grad_sums(float *dgamma, float *dbeta, float *saved, const act *dy, const act *x, float *partials, unsigned *counters,
                                                  long long rows, int channels, int frozen, F f) {
	int c = column<V>();
	float sums[2][V] = {};
	if (c < channels) {
		Norm<V> norm(saved, channels, c);
		Span s = chunk(rows, blockIdx.y);
#pragma unroll 2
		for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
			float g[V], in[V];
			load(in, x + r * channels + c);
			load(g, dy + r * channels + c);
			for (int v = 0; v < V; v++) {
				g[v] = f.gradient(g[v], norm.z(in[v], v));
				sums[0][v] += g[v];
				sums[1][v] += g[v] * (in[v] - norm.mean[v]);
			}
		}
	}
	add_threads<2, V>(partials, sums, channels);
	finish_sums<V>(dgamma, dbeta, saved, partials, counters, rows, channels, frozen);
}

// bn_grad_sums sets dbeta = Σg and dgamma = Σg·(x − mean)/σ, where they are not null, and, unless
// frozen, A and B of saved; the forward pass has set the rest. Geometry C. Bytes: 2.
KERNEL bn_grad_sums(float *dgamma, float *dbeta, float *saved, const act *dy, const act *x, float *partials, unsigned *counters,
                    long long rows, int channels, int frozen, int relu) {
	if (channels % VEC == 0) grad_sums<VEC>(dgamma, dbeta, saved, dy, x, partials, counters, rows, channels, frozen, Floor(relu));
	else grad_sums<1>(dgamma, dbeta, saved, dy, x, partials, counters, rows, channels, frozen, Floor(relu));
}

// bn_grad_sums_function is bn_grad_sums for bn_apply_function.
KERNEL bn_grad_sums_function(float *dgamma, float *dbeta, float *saved, const act *dy, const act *x, float *partials, unsigned *counters,
                             long long rows, int channels, int frozen, int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	if (channels % VEC == 0) grad_sums<VEC>(dgamma, dbeta, saved, dy, x, partials, counters, rows, channels, frozen, f);
	else grad_sums<1>(dgamma, dbeta, saved, dy, x, partials, counters, rows, channels, frozen, f);
}

template <int V> static __device__ void grad_sums_pool(float *dgamma, float *dbeta, float *saved, const act *dy, const act *x, float *partials, unsigned *counters,
                                                       int n, int h, int w, int channels, int frozen, Floor f) {
	int c = column<V>(), high = h / 2, wide = w / 2;
	float sums[2][V] = {};
	if (c < channels) {
		Norm<V> norm(saved, channels, c);
		Span s = chunk((long long)n * high * wide, blockIdx.y);
		for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
			Window win = window((unsigned)r, h, w, high, wide);
			float g[V], in[4][V];
			load_window(in, x, win, channels, c);
			load(g, dy + win.y * channels + c);
			for (int v = 0; v < V; v++) {
				float best = norm.z(in[0][v], v), at = in[0][v];
				for (int i = 1; i < 4; i++) {
					float z = norm.z(in[i][v], v);
					if (above(z, best)) best = z, at = in[i][v];
				}
				g[v] = f.gradient(g[v], best);
				sums[0][v] += g[v];
				sums[1][v] += g[v] * (at - norm.mean[v]);
			}
		}
	}
	add_threads<2, V>(partials, sums, channels);
	finish_sums<V>(dgamma, dbeta, saved, partials, counters, (long long)n * h * w, channels, frozen);
}

// bn_grad_sums_pool is bn_grad_sums for bn_apply_pool. Geometry C for the rows of dy. Bytes: 1.25.
KERNEL bn_grad_sums_pool(float *dgamma, float *dbeta, float *saved, const act *dy, const act *x, float *partials, unsigned *counters,
                         int n, int h, int w, int channels, int frozen, int relu) {
	if (channels % VEC == 0) grad_sums_pool<VEC>(dgamma, dbeta, saved, dy, x, partials, counters, n, h, w, channels, frozen, Floor(relu));
	else grad_sums_pool<1>(dgamma, dbeta, saved, dy, x, partials, counters, n, h, w, channels, frozen, Floor(relu));
}

template <int V, class F> static __device__ void grad(act *dx, const act *dy, const act *x, const float *saved, long long rows, int channels, F f) {
	int c = column<V>();
	if (c >= channels) return;
	NormGrad<V> norm(saved, channels, c);
	Span s = chunk(rows, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += 2 * blockDim.y) {
		float g[2][V], in[2][V]; // loaded together, for the compiler does not know that dx is not dy
#pragma unroll
		for (int k = 0; k < 2; k++) {
			if (r + k * blockDim.y >= s.last) continue;
			load(in[k], x + (r + k * blockDim.y) * channels + c);
			load(g[k], dy + (r + k * blockDim.y) * channels + c);
		}
#pragma unroll
		for (int k = 0; k < 2; k++) {
			if (r + k * blockDim.y >= s.last) continue;
			for (int v = 0; v < V; v++) {
				g[k][v] = norm.dx(f.gradient(g[k][v], norm.z(in[k][v], v)), in[k][v], v);
			}
			store(dx + (r + k * blockDim.y) * channels + c, g[k]);
		}
	}
}

// bn_grad sets dx, after bn_grad_sums. Geometry C. Bytes: 3.
KERNEL bn_grad(act *dx, const act *dy, const act *x, const float *saved, long long rows, int channels, int relu) {
	if (channels % VEC == 0) grad<VEC>(dx, dy, x, saved, rows, channels, Floor(relu));
	else grad<1>(dx, dy, x, saved, rows, channels, Floor(relu));
}

// bn_grad_function is bn_grad for bn_apply_function.
KERNEL bn_grad_function(act *dx, const act *dy, const act *x, const float *saved, long long rows, int channels, int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	if (channels % VEC == 0) grad<VEC>(dx, dy, x, saved, rows, channels, f);
	else grad<1>(dx, dy, x, saved, rows, channels, f);
}

template <int V> static __device__ void grad_pool(act *dx, const act *dy, const act *x, const float *saved, int n, int h, int w, int channels, Floor f) {
	int c = column<V>(), high = (h + 1) / 2, wide = (w + 1) / 2;
	if (c >= channels) return;
	NormGrad<V> norm(saved, channels, c);
	Span s = chunk((long long)n * high * wide, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Window win = window((unsigned)r, h, w, high, wide);
		float g[V] = {}, in[4][V] = {};
		load_window(in, x, win, channels, c);
		if (win.whole()) load(g, dy + win.y * channels + c);
		for (int v = 0; v < V; v++) {
			float best = norm.z(in[0][v], v);
			int first = 0;
			for (int i = 1; i < 4; i++) {
				float z = norm.z(in[i][v], v);
				if (above(z, best)) best = z, first = i;
			}
			g[v] = f.gradient(g[v], best);
			for (int i = 0; i < 4; i++) in[i][v] = norm.dx(i == first ? g[v] : 0.0f, in[i][v], v);
		}
#pragma unroll
		for (int i = 0; i < 4; i++)
			if (win.inside[i]) store(dx + win.pixel(i) * channels + c, in[i]);
	}
}

// bn_grad_pool is bn_grad for bn_apply_pool; dx must not be dy. Geometry C for n·⌈h/2⌉·⌈w/2⌉ rows.
// Bytes: 2.25.
KERNEL bn_grad_pool(act *dx, const act *dy, const act *x, const float *saved, int n, int h, int w, int channels, int relu) {
	if (channels % VEC == 0) grad_pool<VEC>(dx, dy, x, saved, n, h, w, channels, Floor(relu));
	else grad_pool<1>(dx, dy, x, saved, n, h, w, channels, Floor(relu));
}
