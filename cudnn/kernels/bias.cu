// Biases and their gradients.

template <int V> static __device__ void biased(act *y, const float *bias, long long rows, int channels, float floor) {
	int c = column<V>();
	if (c >= channels) return;
	float b[V];
	for (int v = 0; v < V; v++) b[v] = bias[c + v];
	Span s = chunk(rows, blockIdx.y);
#pragma unroll 4
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		float z[V];
		load(z, y + r * channels + c);
		for (int v = 0; v < V; v++) z[v] = not_below(floor, z[v] + b[v]);
		store(y + r * channels + c, z);
	}
}

// add_bias sets y[r][c] += bias[c], then, with relu, max(0, …). Geometry C. Bytes: 2.
KERNEL add_bias(act *y, const float *bias, long long rows, int channels, int relu) {
	if (channels % VEC == 0) biased<VEC>(y, bias, rows, channels, floor_of(relu));
	else biased<1>(y, bias, rows, channels, floor_of(relu));
}

template <int V> static __device__ void sums_of_columns(float *sum, const act *x, float *parts, unsigned *counters, long long rows, int channels) {
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
	add_threads<1, V>(parts, sums, channels);
	if (!last_block(&counters[blockIdx.x], gridDim.y)) return;
	double total = add_parts<1, V>(parts, 0, channels);
	Finish<V> f;
	if (f.slice == 0 && f.channel < channels) sum[f.channel] = (float)total;
}

// column_sums sets sum[c] = Σ x[r][c]: the gradient of a bias. Geometry C. Bytes: 1.
KERNEL column_sums(float *sum, const act *x, float *parts, unsigned *counters, long long rows, int channels) {
	if (channels % VEC == 0) sums_of_columns<VEC>(sum, x, parts, counters, rows, channels);
	else sums_of_columns<1>(sum, x, parts, counters, rows, channels);
}
