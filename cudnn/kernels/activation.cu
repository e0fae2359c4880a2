// ReLU, max pool and dropout.

// relu sets y = max(0, x). Geometry E. Bytes: 2.
KERNEL relu(act *y, const act *x, long long n) {
	long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x, all = gridDim.x * (long long)blockDim.x, whole = n / VEC;
	for (long long k = i; k < whole; k += all) {
		float r[VEC];
		load(r, x + k * VEC);
		for (int v = 0; v < VEC; v++) r[v] = not_below(0, r[v]);
		store(y + k * VEC, r);
	}
	for (long long k = whole * VEC + i; k < n; k += all) y[k] = narrow(not_below(0, widen(x[k])));
}

// relu_grad sets dx = dy where x > 0, else 0. Geometry E. Bytes: 3.
KERNEL relu_grad(act *dx, const act *dy, const act *x, long long n) {
	long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x, all = gridDim.x * (long long)blockDim.x, whole = n / VEC;
	for (long long k = i; k < whole; k += all) {
		float r[VEC], g[VEC];
		load(r, x + k * VEC);
		load(g, dy + k * VEC);
		for (int v = 0; v < VEC; v++) g[v] = r[v] <= 0 ? 0 : g[v];
		store(dx + k * VEC, g);
	}
	for (long long k = whole * VEC + i; k < n; k += all) dx[k] = narrow(widen(x[k]) <= 0 ? 0 : widen(dy[k]));
}

template <int V> static __device__ void pool(act *y, const act *x, int n, int h, int w, int channels) {
	int c = column<V>(), high = h / 2, wide = w / 2;
	if (c >= channels) return;
	Span s = chunk((long long)n * high * wide, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Window win = window((unsigned)r, h, w, high, wide);
		float in[4][V];
		load_window(in, x, win, channels, c);
		for (int v = 0; v < V; v++)
			for (int i = 1; i < 4; i++)
				if (above(in[i][v], in[0][v])) in[0][v] = in[i][v];
		store(y + win.y * channels + c, in[0]);
	}
}

// max_pool is a 2x2 max pool: x is (n, h, w, channels), y (n, ⌊h/2⌋, ⌊w/2⌋, channels). Geometry C
// for the rows of y. Bytes: 1.25.
KERNEL max_pool(act *y, const act *x, int n, int h, int w, int channels) {
	if (channels % VEC == 0) pool<VEC>(y, x, n, h, w, channels);
	else pool<1>(y, x, n, h, w, channels);
}

template <int V> static __device__ void pool_grad(act *dx, const act *dy, const act *x, int n, int h, int w, int channels) {
	int c = column<V>(), high = (h + 1) / 2, wide = (w + 1) / 2;
	if (c >= channels) return;
	Span s = chunk((long long)n * high * wide, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Window win = window((unsigned)r, h, w, high, wide);
		float g[V] = {}, in[4][V] = {};
		load_window(in, x, win, channels, c);
		if (win.whole()) load(g, dy + win.y * channels + c);
		for (int v = 0; v < V; v++) {
			float best = in[0][v];
			int first = 0;
			for (int i = 1; i < 4; i++)
				if (above(in[i][v], best)) best = in[i][v], first = i;
			for (int i = 0; i < 4; i++) in[i][v] = i == first ? g[v] : 0.0f;
		}
#pragma unroll
		for (int i = 0; i < 4; i++)
			if (win.inside[i]) store(dx + win.pixel(i) * channels + c, in[i]);
	}
}

// max_pool_grad routes each dy to the first maximum of its window, in row-major order, and 0 to the
// rest; dx must not be dy. Geometry C for n·⌈h/2⌉·⌈w/2⌉ rows. Bytes: 2.25.
KERNEL max_pool_grad(act *dx, const act *dy, const act *x, int n, int h, int w, int channels) {
	if (channels % VEC == 0) pool_grad<VEC>(dx, dy, x, n, h, w, channels);
	else pool_grad<1>(dx, dy, x, n, h, w, channels);
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

// dropout sets y = x·scale where word i%4 of Philox4x32-10 with key seed and counter (i/4, layer,
// step) is at least the threshold, else 0. keep has one byte for four elements: bit i%4 is set if
// element i was kept. Geometry E for ⌈n/4⌉. Bytes: 2.
KERNEL dropout(act *y, const act *x, unsigned char *keep, const StepState *state, long long n, unsigned threshold, float scale,
               unsigned long long seed, unsigned layer) {
	unsigned long long step = state->step;
	long long blocks = (n + 3) / 4, all = gridDim.x * (long long)blockDim.x;
	for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < blocks; i += all) {
		unsigned word[4] = {(unsigned)i, layer, (unsigned)step, (unsigned)(step >> 32)}, bits = 0;
		philox(word, seed);
		for (int k = 0; k < 4; k++) bits |= (unsigned)(word[k] >= threshold) << k;
		keep[i] = (unsigned char)bits;
		drop(y, x, bits, i, n, scale);
	}
}

// dropout_grad sets dx = dy·scale where keep says so, else 0. Geometry E for ⌈n/4⌉. Bytes: 2.
KERNEL dropout_grad(act *dx, const act *dy, const unsigned char *keep, long long n, float scale) {
	long long blocks = (n + 3) / 4, all = gridDim.x * (long long)blockDim.x;
	for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < blocks; i += all) drop(dx, dy, keep[i], i, n, scale);
}
