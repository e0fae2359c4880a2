// Activation functions: what others apply to a value z, and kernels that only do that.

// Floor is max(0, z), or the identity.
struct Floor {
	float floor;
	explicit __device__ Floor(int relu) : floor(floor_of(relu)) {}
	__device__ bool nothing() const { return floor < 0; }
	__device__ float value(float z) const { return not_below(floor, z); }
	__device__ float gradient(float g, float z) const { return z <= floor ? 0 : g; }
};

// The kinds of tensor.Function, as function.go numbers them. SELU is an ELU times a constant.
enum {
	IDENTITY, RECTIFIER, RELU, ELU, SELU, GELU, GELU_TANH, SILU, SIGMOID, TANH, HARD_SIGMOID, HARD_SILU, SOFTPLUS, SOFTSIGN, EXPONENTIAL, MISH
};

static __device__ float sigmoid(float z) { return 1 / (1 + expf(-z)); }

// sigmoid_slope is σ'(z) = σ(z)·σ(−z), and cannot overflow.
static __device__ float sigmoid_slope(float z) {
	float e = expf(-fabsf(z));
	return e / ((1 + e) * (1 + e));
}

static __device__ float hard_sigmoid(float z, float slope) {
	z = slope * z + 0.5f;
	return z <= 0 ? 0 : z >= 1 ? 1 : z; // or NaN
}

static __device__ float hard_sigmoid_slope(float z, float slope) {
	z = slope * z + 0.5f;
	return z <= 0 || z >= 1 ? 0 : slope;
}

// gelu returns 2·√(2/π)·(z + 0.044715·z³), for 1 + tanh(u) = 2·σ(2u).
static __device__ float gelu(float z) { return 1.59576912160573f * z * (1 + 0.044715f * z * z); }

// curve is a function that is not piecewise linear. It is not inlined, since that would make the
// program many times as large.
static __device__ __noinline__ float curve(int kind, float alpha, float z) {
	switch (kind) {
	case ELU: return z > 0 ? z : alpha * expm1f(z);
	case SELU: return 1.05070098735548f * (z >= 0 ? z : 1.67326324235438f * expm1f(z));
	case GELU: return 0.5f * z * erfcf(-0.707106781186548f * z);
	case GELU_TANH: return z * sigmoid(gelu(z));
	case SILU: return z * sigmoid(z);
	case SIGMOID: return sigmoid(z);
	case TANH: return tanhf(z);
	case SOFTPLUS: return not_below(0, z) + log1pf(expf(-fabsf(z)));
	case SOFTSIGN: return z / (1 + fabsf(z));
	case EXPONENTIAL: return expf(z);
	case MISH: {
		float e = expf(-fabsf(z)), n = z > 0 ? 1 + 2 * e : e * (e + 2);
		return z * (n / (n + 2 * (z > 0 ? e * e : 1)));
	}
	}
	return z;
}

// curve_slope is its derivative.
static __device__ __noinline__ float curve_slope(int kind, float alpha, float z) {
	switch (kind) {
	case ELU: return z > 0 ? 1 : alpha * expf(z);
	case SELU: return 1.05070098735548f * (z >= 0 ? 1 : 1.67326324235438f * expf(z));
	case GELU: return 0.5f * erfcf(-0.707106781186548f * z) + z * (0.398942280401433f * expf(-0.5f * z * z));
	case GELU_TANH: {
		float d = sigmoid_slope(gelu(z));
		return sigmoid(gelu(z)) + (d == 0 ? 0 : z * d * 1.59576912160573f * (1 + 3 * 0.044715f * z * z));
	}
	case SILU: return sigmoid(z) + z * sigmoid_slope(z);
	case SIGMOID: return sigmoid_slope(z);
	case TANH: return 4 * sigmoid_slope(2 * z);
	case SOFTPLUS: return sigmoid(z);
	case SOFTSIGN: return 1 / ((1 + fabsf(z)) * (1 + fabsf(z)));
	case EXPONENTIAL: return expf(z);
	case MISH: { // tanh(ln(1 + e^z)) = t, and its square's distance from 1
		float e = expf(-fabsf(z)), n = z > 0 ? 1 + 2 * e : e * (e + 2), d = n + 2 * (z > 0 ? e * e : 1);
		float t = n / d, r = 4 * (1 + e) * (1 + e) * (z > 0 ? e * e : 1) / (d * d);
		return t + (r == 0 ? 0 : z * r * sigmoid(z));
	}
	}
	return 1;
}

// Function is any tensor.Function. What it makes constant has the gradient 0, whatever g is.
struct Function {
	int kind;
	float alpha, max, threshold;
	__device__ Function(int kind, float alpha, float max, float threshold) : kind(kind), alpha(alpha), max(max), threshold(threshold) {}
	__device__ bool nothing() const { return kind == IDENTITY; }

	__device__ float value(float z) const {
		switch (kind) {
		case IDENTITY: return z;
		case RECTIFIER: return not_below(0, z);
		case RELU:
			if (max > 0 && z >= max) return max;
			if (z >= threshold) return z;
			return alpha == 0 && z == z ? 0 : alpha * (z - threshold);
		case HARD_SIGMOID: return hard_sigmoid(z, alpha);
		case HARD_SILU: return z * hard_sigmoid(z, 1 / 6.0f);
		}
		return curve(kind, alpha, z);
	}

	__device__ float gradient(float g, float z) const {
		float s = slope(z);
		return s == 0 ? 0 : s * g;
	}

private:
	__device__ float slope(float z) const {
		switch (kind) {
		case IDENTITY: return 1;
		case RECTIFIER: return z > 0 ? 1 : 0;
		case RELU: return max > 0 && z >= max ? 0 : z > threshold ? 1 : z == z ? alpha : 0;
		case HARD_SIGMOID: return hard_sigmoid_slope(z, alpha);
		case HARD_SILU: return hard_sigmoid(z, 1 / 6.0f) + z * hard_sigmoid_slope(z, 1 / 6.0f);
		}
		return curve_slope(kind, alpha, z);
	}
};

// function sets y = f(x), a Function. Geometry E. Bytes: 2.
KERNEL function(act *y, const act *x, long long n, int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x, all = gridDim.x * (long long)blockDim.x, whole = n / VEC;
	for (long long k = i; k < whole; k += all) {
		float r[VEC];
		load(r, x + k * VEC);
		for (int v = 0; v < VEC; v++) r[v] = f.value(r[v]);
		store(y + k * VEC, r);
	}
	for (long long k = whole * VEC + i; k < n; k += all) y[k] = narrow(f.value(widen(x[k])));
}

// function_grad sets dx = f'(x)·dy. Geometry E. Bytes: 3.
KERNEL function_grad(act *dx, const act *dy, const act *x, long long n, int kind, float alpha, float max, float threshold) {
	Function f(kind, alpha, max, threshold);
	long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x, all = gridDim.x * (long long)blockDim.x, whole = n / VEC;
	for (long long k = i; k < whole; k += all) {
		float r[VEC], g[VEC];
		load(r, x + k * VEC);
		load(g, dy + k * VEC);
		for (int v = 0; v < VEC; v++) g[v] = f.gradient(g[v], r[v]);
		store(dx + k * VEC, g);
	}
	for (long long k = whole * VEC + i; k < n; k += all) dx[k] = narrow(f.gradient(widen(dy[k]), widen(x[k])));
}
