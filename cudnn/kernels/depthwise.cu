// Convolutions of each channel by itself: output channel o, one of `multiplier` of a channel, is that
// of channel o/multiplier. Parameters lie as [taps][channels·multiplier].

// load_inputs loads the inputs of output channels from c on, of the channels of a pixel.
template <int V> static __device__ void load_inputs(float (&r)[V], const act *pixel, int c, int multiplier) {
	if (multiplier == 1) {
		load(r, pixel + c);
		return;
	}
	for (int v = 0; v < V; v++) r[v] = widen(pixel[(c + v) / multiplier]);
}

template <int V> static __device__ void depthwise_rows(act *y, const act *x, const float *w, const float *bias, Moves m, int n, int channels, int multiplier, Function f) {
	int c = column<V>();
	if (c >= channels) return;
	float b[V] = {};
	for (int v = 0; v < V; v++)
		if (bias) b[v] = bias[c + v];
	Span s = chunk((long long)n * m.high * m.wide, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Covered at = covered(m, (unsigned)r);
		int row = (int)((unsigned)r / m.wide % m.high) * m.stride_h - m.top, left = (int)((unsigned)r % m.wide) * m.stride_w - m.left;
		float sum[V] = {};
		for (int i = at.up; i < at.down; i++)
			for (int j = at.left; j < at.right; j++) {
				const float *tap = w + ((i - row) * m.kernel_w + j - left) * (long long)channels + c;
				float in[V];
				load_inputs(in, x + (at.first + i * m.w + j) * (channels / multiplier), c, multiplier);
				for (int v = 0; v < V; v++) sum[v] += in[v] * tap[v];
			}
		for (int v = 0; v < V; v++) sum[v] = f.value(sum[v] + b[v]);
		store(y + r * channels + c, sum);
	}
}

// depthwise sets y to the Function of the sum of the convolution and the bias, which may be null.
// channels are those of y. Geometry C for the rows of y.
KERNEL depthwise(act *y, const act *x, const float *w, const float *bias, int n, int channels, int multiplier,
                 int h, int wd, int high, int wide, int kernel_h, int kernel_w, int stride_h, int stride_w, int top, int left,
                 int kind, float alpha, float max, float threshold) {
	Moves m = {h, wd, high, wide, kernel_h, kernel_w, stride_h, stride_w, top, left};
	Function f(kind, alpha, max, threshold);
	if (channels % VEC == 0) depthwise_rows<VEC>(y, x, w, bias, m, n, channels, multiplier, f);
	else depthwise_rows<1>(y, x, w, bias, m, n, channels, multiplier, f);
}

template <int V> static __device__ void depthwise_data(act *dx, const act *dy, const float *w, Moves m, int n, int channels, int multiplier) {
	int c = column<V>(), out = channels * multiplier;
	if (c >= channels) return;
	Span s = chunk((long long)n * m.h * m.w, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		Covered at = covering(m, (unsigned)r);
		int row = (int)((unsigned)r / m.w % m.h) + m.top, left = (int)((unsigned)r % m.w) + m.left;
		float sum[V] = {};
		for (int i = at.up; i < at.down; i++)
			for (int j = at.left; j < at.right; j++) {
				const float *tap = w + ((row - i * m.stride_h) * m.kernel_w + left - j * m.stride_w) * (long long)out;
				const act *from = dy + (at.first + i * m.wide + j) * out;
				if (multiplier == 1) {
					float g[V];
					load(g, from + c);
					for (int v = 0; v < V; v++) sum[v] += g[v] * tap[c + v];
					continue;
				}
				for (int v = 0; v < V; v++)
					for (int o = (c + v) * multiplier; o < (c + v + 1) * multiplier; o++) sum[v] += widen(from[o]) * tap[o];
			}
		store(dx + r * channels + c, sum);
	}
}

// depthwise_grad_data sets dx. channels are those of x. Geometry C for the rows of dx.
KERNEL depthwise_grad_data(act *dx, const act *dy, const float *w, int n, int channels, int multiplier,
                           int h, int wd, int high, int wide, int kernel_h, int kernel_w, int stride_h, int stride_w, int top, int left) {
	Moves m = {h, wd, high, wide, kernel_h, kernel_w, stride_h, stride_w, top, left};
	if (channels % VEC == 0) depthwise_data<VEC>(dx, dy, w, m, n, channels, multiplier);
	else depthwise_data<1>(dx, dy, w, m, n, channels, multiplier);
}

template <int V> static __device__ void depthwise_filter(float *dw, const act *dy, const act *x, float *partials, unsigned *counters, Moves m, int n, int channels, int multiplier) {
	int c = column<V>(), tap = blockIdx.z, down = tap / m.kernel_w - m.top, right = tap % m.kernel_w - m.left;
	float sums[1][V] = {};
	if (c < channels) {
		Span s = chunk((long long)n * m.high * m.wide, blockIdx.y);
		for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
			unsigned p = (unsigned)r;
			int i = (int)(p / m.wide % m.high) * m.stride_h + down, j = (int)(p % m.wide) * m.stride_w + right;
			if (i < 0 || i >= m.h || j < 0 || j >= m.w) continue;
			float g[V], in[V];
			load(g, dy + r * channels + c);
			load_inputs(in, x + (((long long)(p / m.wide / m.high) * m.h + i) * m.w + j) * (channels / multiplier), c, multiplier);
			for (int v = 0; v < V; v++) sums[0][v] += g[v] * in[v];
		}
	}
	partials += (long long)tap * gridDim.y * channels;
	add_threads<1, V>(partials, sums, channels);
	if (!last_block(&counters[tap * gridDim.x + blockIdx.x], gridDim.y)) return;
	double total = add_partials<1, V>(partials, 0, channels);
	Finish<V> f;
	if (f.slice == 0 && f.channel < channels) dw[(long long)tap * channels + f.channel] = (float)total;
}

// depthwise_grad_filter sets dw. channels are those of y. Geometry C for the rows of dy, and grid.z
// the number of taps: partials has channels·grid.y floats and counters grid.x words for each.
KERNEL depthwise_grad_filter(float *dw, const act *dy, const act *x, float *partials, unsigned *counters, int n, int channels, int multiplier,
                             int h, int wd, int high, int wide, int kernel_h, int kernel_w, int stride_h, int stride_w, int top, int left) {
	Moves m = {h, wd, high, wide, kernel_h, kernel_w, stride_h, stride_w, top, left};
	if (channels % VEC == 0) depthwise_filter<VEC>(dw, dy, x, partials, counters, m, n, channels, multiplier);
	else depthwise_filter<1>(dw, dy, x, partials, counters, m, n, channels, multiplier);
}
