// Sums of several tensors.

enum { ADDENDS = 8 };

// Sum is the sum of up to ADDENDS tensors.
struct Sum {
	const act *x[ADDENDS];
	int inputs;
	template <int V> __device__ void load_at(float (&z)[V], long long i) const {
		load(z, x[0] + i);
#pragma unroll
		for (int k = 1; k < ADDENDS; k++) {
			if (k >= inputs) continue;
			float more[V];
			load(more, x[k] + i);
			for (int v = 0; v < V; v++) z[v] += more[v];
		}
	}
};

template <int V> static __device__ void add_at(act *y, const Sum &sum, long long i, const Function &f) {
	float z[V];
	sum.load_at(z, i);
	for (int v = 0; v < V; v++) z[v] = f.value(z[v]);
	store(y + i, z);
}

// add sets y = f(Σ xs), of as many x as there are inputs; y may be one of them. Geometry E.
KERNEL add(act *y, long long n, int inputs, const act *x0, const act *x1, const act *x2, const act *x3, const act *x4, const act *x5, const act *x6, const act *x7,
           int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	Sum sum = {{x0, x1, x2, x3, x4, x5, x6, x7}, inputs};
	long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x, all = gridDim.x * (long long)blockDim.x, whole = n / VEC;
	for (long long k = i; k < whole; k += all) add_at<VEC>(y, sum, k * VEC, f);
	for (long long k = whole * VEC + i; k < n; k += all) add_at<1>(y, sum, k, f);
}

template <int V> static __device__ void add_grad_at(act *dx, const act *dy, const Sum &sum, long long i, const Function &f) {
	float z[V], g[V];
	sum.load_at(z, i);
	load(g, dy + i);
	for (int v = 0; v < V; v++) g[v] = f.gradient(g[v], z[v]);
	store(dx + i, g);
}

// add_grad sets dx = f'(Σ xs)·dy, the gradient of each x. Geometry E.
KERNEL add_grad(act *dx, const act *dy, long long n, int inputs, const act *x0, const act *x1, const act *x2, const act *x3, const act *x4, const act *x5, const act *x6,
                const act *x7, int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	Sum sum = {{x0, x1, x2, x3, x4, x5, x6, x7}, inputs};
	long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x, all = gridDim.x * (long long)blockDim.x, whole = n / VEC;
	for (long long k = i; k < whole; k += all) add_grad_at<VEC>(dx, dy, sum, k * VEC, f);
	for (long long k = whole * VEC + i; k < n; k += all) add_grad_at<1>(dx, dy, sum, k, f);
}
