// Pools. That of 2x2 pixels and stride 2 is the pool of VGG, and has kernels of its own.

template <int V> static __device__ void pool2(act *y, const act *x, int n, int h, int w, int channels) {
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
	if (channels % VEC == 0) pool2<VEC>(y, x, n, h, w, channels);
	else pool2<1>(y, x, n, h, w, channels);
}

template <int V> static __device__ void pool2_grad(act *dx, const act *dy, const act *x, int n, int h, int w, int channels) {
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
	if (channels % VEC == 0) pool2_grad<VEC>(dx, dy, x, n, h, w, channels);
	else pool2_grad<1>(dx, dy, x, n, h, w, channels);
}

// Moves is how a window moves over images of h rows and w columns, to make images of high rows and
// wide columns: a tensor.Window.
struct Moves {
	int h, w, high, wide, kernel_h, kernel_w, stride_h, stride_w, top, left;
};

// Covered is what a window covers of an image: rows from up, before down, and columns from left,
// before right. first is the first pixel of the image.
struct Covered {
	long long first;
	int up, down, left, right;
	__device__ int pixels() const { return (down - up) * (right - left); }
};

// covered returns what the window covers for output pixel i.
static __device__ Covered covered(const Moves &m, unsigned i) {
	int column = (int)(i % m.wide) * m.stride_w - m.left, row = (int)(i / m.wide % m.high) * m.stride_h - m.top;
	Covered c;
	c.first = (long long)(i / m.wide / m.high) * m.h * m.w;
	c.up = row < 0 ? 0 : row, c.down = row + m.kernel_h < m.h ? row + m.kernel_h : m.h;
	c.left = column < 0 ? 0 : column, c.right = column + m.kernel_w < m.w ? column + m.kernel_w : m.w;
	return c;
}

// covering returns which output pixels have input pixel i in their window, in the same way.
static __device__ Covered covering(const Moves &m, unsigned i) {
	int column = (int)(i % m.w) + m.left, row = (int)(i / m.w % m.h) + m.top;
	int up = row - m.kernel_h + m.stride_h, left = column - m.kernel_w + m.stride_w; // of the first window, times its stride
	Covered c;
	c.first = (long long)(i / m.w / m.h) * m.high * m.wide;
	c.up = up < 0 ? 0 : up / m.stride_h, c.down = row / m.stride_h < m.high ? row / m.stride_h + 1 : m.high;
	c.left = left < 0 ? 0 : left / m.stride_w, c.right = column / m.stride_w < m.wide ? column / m.stride_w + 1 : m.wide;
	return c;
}

// The kinds of backend.PoolKind.
enum { MAX_POOL, SHARED_MAX_POOL, AVERAGE_POOL };

template <int V> static __device__ void any_pool(act *y, const act *x, Moves m, int n, int channels, int kind) {
	int c = column<V>();
	if (c >= channels) return;
	Span s = chunk((long long)n * m.high * m.wide, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Covered at = covered(m, (unsigned)r);
		float all[V] = {}; // the maximum, or the sum of the sums of rows
		for (int i = at.up; i < at.down; i++) {
			float sum[V] = {};
			for (int j = at.left; j < at.right; j++) {
				float in[V];
				load(in, x + (at.first + i * m.w + j) * channels + c);
				bool first = i == at.up && j == at.left;
				for (int v = 0; v < V; v++) {
					sum[v] += in[v];
					if (kind != AVERAGE_POOL && (first || above(in[v], all[v]))) all[v] = in[v];
				}
			}
			for (int v = 0; v < V; v++)
				if (kind == AVERAGE_POOL) all[v] += sum[v];
		}
		for (int v = 0; v < V; v++)
			if (kind == AVERAGE_POOL) all[v] /= at.pixels();
		store(y + r * channels + c, all);
	}
}

// pool is a pool of any window. Geometry C for the rows of y.
KERNEL pool(act *y, const act *x, int n, int channels, int kind,
            int h, int w, int high, int wide, int kernel_h, int kernel_w, int stride_h, int stride_w, int top, int left) {
	Moves m = {h, w, high, wide, kernel_h, kernel_w, stride_h, stride_w, top, left};
	if (channels % VEC == 0) any_pool<VEC>(y, x, m, n, channels, kind);
	else any_pool<1>(y, x, m, n, channels, kind);
}

static __device__ bool equals(float a, float b) { return a == b || (a != a && b != b); }

template <int V> static __device__ void any_routes(int *routes, act *best, const act *x, Moves m, int n, int channels) {
	int c = column<V>();
	if (c >= channels) return;
	Span s = chunk((long long)n * m.high * m.wide, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Covered at = covered(m, (unsigned)r);
		float most[V] = {};
		int route[V] = {};
		for (int i = at.up; i < at.down; i++)
			for (int j = at.left; j < at.right; j++) {
				float in[V];
				load(in, x + (at.first + i * m.w + j) * channels + c);
				bool first = i == at.up && j == at.left;
				for (int v = 0; v < V; v++)
					if (first || above(in[v], most[v])) most[v] = in[v], route[v] = best ? 1 : i * m.w + j;
					else if (best) route[v] += equals(in[v], most[v]);
			}
		for (int v = 0; v < V; v++) routes[r * channels + c + v] = route[v];
		if (best) store(best + r * channels + c, most);
	}
}

// pool_routes sets, for each element of y, the pixel of the image that is the first maximum. Where
// best is not null, it sets how many there are, and best to the maximum. Geometry C for the rows of
// y.
KERNEL pool_routes(int *routes, act *best, const act *x, int n, int channels,
                   int h, int w, int high, int wide, int kernel_h, int kernel_w, int stride_h, int stride_w, int top, int left) {
	Moves m = {h, w, high, wide, kernel_h, kernel_w, stride_h, stride_w, top, left};
	if (channels % VEC == 0) any_routes<VEC>(routes, best, x, m, n, channels);
	else any_routes<1>(routes, best, x, m, n, channels);
}

template <int V> static __device__ void any_pool_grad(act *dx, const act *dy, const act *x, const int *routes, const act *best, Moves m, int n, int channels, int kind) {
	int c = column<V>();
	if (c >= channels) return;
	Span s = chunk((long long)n * m.h * m.w, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Covered at = covering(m, (unsigned)r);
		int place = (int)((unsigned)r % (m.h * m.w)); // in the image
		float sum[V] = {}, in[V] = {};
		if (kind == SHARED_MAX_POOL) load(in, x + r * channels + c);
		for (int i = at.up; i < at.down; i++)
			for (int j = at.left; j < at.right; j++) {
				long long from = (at.first + i * m.wide + j) * channels + c;
				float g[V], most[V] = {};
				load(g, dy + from);
				if (kind == SHARED_MAX_POOL) load(most, best + from);
				int pixels = kind == AVERAGE_POOL ? covered(m, i * m.wide + j).pixels() : 1;
				for (int v = 0; v < V; v++) {
					if (kind == AVERAGE_POOL) sum[v] += g[v] / pixels;
					else if (kind == MAX_POOL) sum[v] += routes[from + v] == place ? g[v] : 0;
					else if (equals(in[v], most[v])) sum[v] += g[v] / routes[from + v];
				}
			}
		store(dx + r * channels + c, sum);
	}
}

// pool_grad is the gradient of pool, after pool_routes if it takes maxima; dx must not be dy. Only
// that of SHARED_MAX_POOL reads x. Geometry C for the rows of dx.
KERNEL pool_grad(act *dx, const act *dy, const act *x, const int *routes, const act *best, int n, int channels, int kind,
                 int h, int w, int high, int wide, int kernel_h, int kernel_w, int stride_h, int stride_w, int top, int left) {
	Moves m = {h, w, high, wide, kernel_h, kernel_w, stride_h, stride_w, top, left};
	if (channels % VEC == 0) any_pool_grad<VEC>(dx, dy, x, routes, best, m, n, channels, kind);
	else any_pool_grad<1>(dx, dy, x, routes, best, m, n, channels, kind);
}
