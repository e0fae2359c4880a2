// Softmax and dropout.

// Row is the summary of a row of logits in a block of 32 threads: the largest, which class has it
// first, and Σ exp(logit − largest). A NaN makes all NaN, with no class.
struct Row {
	float largest;
	int best;
	double sum;
};

// logit returns logit i of a row: of two classes with a sigmoid there is only that of class 1, and
// that of class 0 is 0.
static __device__ float logit(const act *logits, int i, int sigmoid) { return !sigmoid ? widen(logits[i]) : i ? widen(logits[0]) : 0.0f; }

static __device__ Row row_of(const act *logits, int classes, int sigmoid) {
	__shared__ float value[32];
	__shared__ int place[32];
	int t = threadIdx.x;
	float largest = floor_of(0);
	int best = classes;
	for (int i = t; i < classes; i += 32) {
		float v = logit(logits, i, sigmoid);
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
	for (int i = t; i < classes; i += 32) r.sum += exp((double)logit(logits, i, sigmoid) - (double)r.largest);
	r.sum = fold(r.sum, 1);
	return r;
}

// softmax sets each row of y to the softmax of that of x. Block 32, grid rows.
KERNEL softmax(act *y, const act *x, int channels) {
	long long at = (long long)blockIdx.x * channels;
	Row r = row_of(x + at, channels, 0);
	for (int i = threadIdx.x; i < channels; i += 32) y[at + i] = narrow((float)(exp((double)widen(x[at + i]) - (double)r.largest) / r.sum));
}

// softmax_grad sets dx = p·(dy − Σ p·dy) for the softmax p of x. Block 32, grid rows.
KERNEL softmax_grad(act *dx, const act *dy, const act *x, int channels) {
	long long at = (long long)blockIdx.x * channels;
	Row r = row_of(x + at, channels, 0);
	double mean = 0;
	for (int i = threadIdx.x; i < channels; i += 32) mean += exp((double)widen(x[at + i]) - (double)r.largest) * (double)widen(dy[at + i]);
	mean = fold(mean, 1) / r.sum;
	for (int i = threadIdx.x; i < channels; i += 32) {
		double p = exp((double)widen(x[at + i]) - (double)r.largest) / r.sum;
		dx[at + i] = narrow((float)(p * ((double)widen(dy[at + i]) - mean)));
	}
}

// philox sets c to the words of Philox4x32-10 for the counter c and a key (package philox).
static __device__ void philox(unsigned (&c)[4], unsigned long long key) {
	unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
#pragma unroll
	for (int round = 0; round < 10; round++) {
		unsigned hi0 = __umulhi(0xD2511F53u, c[0]), lo0 = 0xD2511F53u * c[0];
		unsigned hi1 = __umulhi(0xCD9E8D57u, c[2]), lo1 = 0xCD9E8D57u * c[2];
		c[0] = hi1 ^ c[1] ^ k0, c[1] = lo1, c[2] = hi0 ^ c[3] ^ k1, c[3] = lo0;
		k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
	}
}

// drop sets y = x·scale for the elements from 4·i on whose bit is set in keep, else 0, up to n.
static __device__ void drop(act *y, const act *x, unsigned keep, long long i, long long n, float scale) {
	if (4 * i + 4 <= n) {
		float r[4];
		load(r, x + 4 * i);
		for (int k = 0; k < 4; k++) r[k] = keep >> k & 1 ? r[k] * scale : 0.0f;
		store(y + 4 * i, r);
		return;
	}
	for (long long k = 4 * i; k < n; k++) y[k] = narrow(keep >> (k & 3) & 1 ? widen(x[k]) * scale : 0.0f);
}

// Masks number the elements of images in the order (pixel, n, channel). element returns where
// element i of that order lies in memory.
static __device__ long long element(unsigned long long i, int n, int pixels, int channels) {
	if (pixels == 1) return i;
	unsigned long long row = i / channels;
	return ((long long)(row % n) * pixels + row / n) * channels + i % channels;
}

// drop4 is drop for images.
static __device__ void drop4(act *y, const act *x, unsigned keep, long long i, int n, int pixels, int channels, float scale) {
	long long all = (long long)n * pixels * channels;
	if (pixels == 1) {
		drop(y, x, keep, i, all, scale);
	} else if (channels % 4 == 0) {
		long long at = element(4 * i, n, pixels, channels);
		drop(y + at, x + at, keep, 0, 4, scale);
	} else {
		for (int k = 0; k < 4 && 4 * i + k < all; k++) {
			long long at = element(4 * i + k, n, pixels, channels);
			y[at] = narrow(keep >> k & 1 ? widen(x[at]) * scale : 0.0f);
		}
	}
}

// kept returns a bit for each of the elements of the mask from 4·i on, and stores them.
static __device__ unsigned kept(unsigned char *keep, long long i, unsigned long long step, unsigned threshold, unsigned long long seed, unsigned layer) {
	unsigned word[4] = {(unsigned)i, layer, (unsigned)step, (unsigned)(step >> 32)}, bits = 0;
	philox(word, seed);
	for (int k = 0; k < 4; k++) bits |= (unsigned)(word[k] >= threshold) << k;
	keep[i] = (unsigned char)bits;
	return bits;
}

// dropout sets y = x·scale where word i%4 of Philox4x32-10 with key seed and counter (i/4, layer,
// step) is at least the threshold, else 0, for element i of images (n, pixels, channels) in the
// order (pixel, n, channel). keep has one byte for four elements: bit i%4 is set if element i was
// kept. Geometry E for ⌈n·pixels·channels/4⌉. Bytes: 2.
KERNEL dropout(act *y, const act *x, unsigned char *keep, const StepState *state, int n, int pixels, int channels, unsigned threshold, float scale,
               unsigned long long seed, unsigned layer) {
	unsigned long long step = state->step;
	long long blocks = ((long long)n * pixels * channels + 3) / 4, all = gridDim.x * (long long)blockDim.x;
	for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < blocks; i += all)
		drop4(y, x, kept(keep, i, step, threshold, seed, layer), i, n, pixels, channels, scale);
}

// dropout_grad sets dx = dy·scale where keep says so, else 0. The same geometry. Bytes: 2.
KERNEL dropout_grad(act *dx, const act *dy, const unsigned char *keep, int n, int pixels, int channels, float scale) {
	long long blocks = ((long long)n * pixels * channels + 3) / 4, all = gridDim.x * (long long)blockDim.x;
	for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < blocks; i += all) drop4(dx, dy, keep[i], i, n, pixels, channels, scale);
}

// dropout_mask only makes keep, for a mask of n elements. Geometry E for ⌈n/4⌉.
KERNEL dropout_mask(unsigned char *keep, const StepState *state, long long n, unsigned threshold, unsigned long long seed, unsigned layer) {
	unsigned long long step = state->step;
	long long blocks = (n + 3) / 4, all = gridDim.x * (long long)blockDim.x;
	for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < blocks; i += all) kept(keep, i, step, threshold, seed, layer);
}

template <int V> static __device__ void drop_channels(act *y, const act *x, const unsigned char *keep, int n, int pixels, int channels, float scale) {
	int c = column<V>();
	if (c >= channels) return;
	Span s = chunk((long long)n * pixels, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		float in[V];
		load(in, x + r * channels + c);
		long long i = (long long)((unsigned)r / pixels) * channels + c; // in the mask
		for (int v = 0; v < V; v++) in[v] = keep[(i + v) / 4] >> ((i + v) % 4) & 1 ? in[v] * scale : 0.0f;
		store(y + r * channels + c, in);
	}
}

// dropout_channels sets y = x·scale for the channels (n, channels) that keep has, else 0; it is its
// own gradient. Geometry C. Bytes: 2.
KERNEL dropout_channels(act *y, const act *x, const unsigned char *keep, int n, int pixels, int channels, float scale) {
	if (channels % VEC == 0) drop_channels<VEC>(y, x, keep, n, pixels, channels, scale);
	else drop_channels<1>(y, x, keep, n, pixels, channels, scale);
}
