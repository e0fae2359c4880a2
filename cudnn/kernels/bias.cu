// Biases and their gradients.

template <int V, class From, class F>
static __device__ void biased(act *y, const From *x, const float *bias, long long rows, int channels, F f) {
	int c = column<V>();
	if (c >= channels) return;
	float b[V];
	bool nothing = (const void *)y == (const void *)x && f.nothing();
	for (int v = 0; v < V; v++) {
		b[v] = bias ? bias[c + v] : 0;
		nothing = nothing && b[v] == 0;
	}
	if (nothing) return; // as before a BatchNorm, where biases stay what they begin as
	Span s = chunk(rows, blockIdx.y);
#pragma unroll 4
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		float z[V];
		load(z, x + r * channels + c);
		for (int v = 0; v < V; v++) z[v] = f.value(z[v] + b[v]);
		store(y + r * channels + c, z);
	}
}

// add_bias sets y[r][c] += bias[c], then, with relu, max(0, …). A null bias is 0. Geometry C. Bytes:
// 2, or none for channels of bias 0 without relu.
KERNEL add_bias(act *y, const float *bias, long long rows, int channels, int relu) {
	if (channels % VEC == 0) biased<VEC>(y, y, bias, rows, channels, Floor(relu));
	else biased<1>(y, y, bias, rows, channels, Floor(relu));
}

// add_bias_function is add_bias with any Function.
KERNEL add_bias_function(act *y, const float *bias, long long rows, int channels, int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	if (channels % VEC == 0) biased<VEC>(y, y, bias, rows, channels, f);
	else biased<1>(y, y, bias, rows, channels, f);
}

// bias_of sets y[r][c] = x[r][c] + bias[c] in the same way, rounded once. Geometry C. Bytes: 3, of
// types of 4 and 2.
KERNEL bias_of(act *y, const float *x, const float *bias, long long rows, int channels, int relu) {
	if (channels % VEC == 0) biased<VEC>(y, x, bias, rows, channels, Floor(relu));
	else biased<1>(y, x, bias, rows, channels, Floor(relu));
}

// bias_of_function is bias_of with any Function.
KERNEL bias_of_function(act *y, const float *x, const float *bias, long long rows, int channels, int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	if (channels % VEC == 0) biased<VEC>(y, x, bias, rows, channels, f);
	else biased<1>(y, x, bias, rows, channels, f);
}

template <int V> static __device__ void sums_of_columns(float *sum, const act *x, float *partials, unsigned *counters, long long rows, int channels) {
	int c = column<V>();
	float sums[1][V] = {};
	if (c < channels) {
		Span s = chunk(rows, blockIdx.y);
#pragma unroll 4
		for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
			float z[V];
			load(z, x + r * channels + c);
			for (int v = 0; v < V; v++) sums[0][v] += z[v];
		}
	}
	add_threads<1, V>(partials, sums, channels);
	if (!last_block(&counters[blockIdx.x], gridDim.y)) return;
	double total = add_partials<1, V>(partials, 0, channels);
	Finish<V> f;
	if (f.slice == 0 && f.channel < channels) sum[f.channel] = (float)total;
}

// column_sums sets sum[c] = Σ x[r][c]: the gradient of a bias. Geometry C. Bytes: 1.
KERNEL column_sums(float *sum, const act *x, float *partials, unsigned *counters, long long rows, int channels) {
	if (channels % VEC == 0) sums_of_columns<VEC>(sum, x, partials, counters, rows, channels);
	else sums_of_columns<1>(sum, x, partials, counters, rows, channels);
}
