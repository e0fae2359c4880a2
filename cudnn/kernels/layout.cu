// Steps, types and layouts.

// step_begin clears the metrics of a step. One thread.
KERNEL step_begin(StepMetrics *metrics, const StepState *state) {
	StepMetrics zero = {0, 0, 0, 0};
	metrics[state->slot] = zero;
}

// convert converts n elements from one type to the other. Bytes: 6 for an element, of types of 4
// and 2.
template <class To, class From> static __device__ void convert(To *y, const From *x, long long n) {
	long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x, all = gridDim.x * (long long)blockDim.x;
	long long done = 0;
	if (aligned(y, 16) && aligned(x, 16)) {
		for (done = n / VEC; i < done; i += all) {
			float r[VEC];
			load(r, x + i * VEC);
			store(y + i * VEC, r);
		}
		done *= VEC;
		i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
	}
	for (i += done; i < n; i += all) {
		float r[1];
		load(r, x + i);
		store(y + i, r);
	}
}

// from_float sets y[i] = x[i], rounded. Geometry E; x may begin at any element.
KERNEL from_float(act *y, const float *x, long long n) { convert(y, x, n); }

// to_float sets y[i] = x[i]. Geometry E; y may begin at any element.
KERNEL to_float(float *y, const act *x, long long n) { convert(y, x, n); }

// swap_axes transposes each of batch matrices: dst[b][c][r] = src[b][r][c]. Block (32, 8), grid
// (⌈cols/32⌉, ⌈rows/32⌉, any). Bytes: 2.
KERNEL swap_axes(act *dst, const act *src, int batch, int rows, int cols) {
	__shared__ act tile[32][33];
	for (int b = blockIdx.z; b < batch; b += gridDim.z) {
		long long at = (long long)b * rows * cols;
		int c = blockIdx.x * 32 + threadIdx.x;
		for (int i = threadIdx.y; i < 32; i += 8) {
			int r = blockIdx.y * 32 + i;
			if (r < rows && c < cols) tile[i][threadIdx.x] = src[at + (long long)r * cols + c];
		}
		__syncthreads();
		int r = blockIdx.y * 32 + threadIdx.x;
		for (int i = threadIdx.y; i < 32; i += 8) {
			int c = blockIdx.x * 32 + i;
			if (r < rows && c < cols) dst[at + (long long)c * rows + r] = tile[threadIdx.x][i];
		}
		__syncthreads();
	}
}

template <int V> static __device__ void place(act *dst, const act *src, int n, int h, int w, int channels, int src_h, int src_w, int src_channels, int top, int left) {
	int c = column<V>();
	if (c >= channels) return;
	bool whole = src_channels % V == 0;
	Span s = chunk((long long)n * h * w, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		int i = (int)((unsigned)r / w % h) - top, j = (int)((unsigned)r % w) - left;
		float in[V] = {};
		if (i >= 0 && i < src_h && j >= 0 && j < src_w) {
			const act *from = src + (((long long)((unsigned)r / w / h) * src_h + i) * src_w + j) * src_channels + c;
			if (!whole)
				for (int v = 0; v < V; v++) in[v] = c + v < src_channels ? widen(from[v]) : 0;
			else if (c < src_channels)
				load(in, from);
		}
		store(dst + r * channels + c, in);
	}
}

// place_images puts images (n, src_h, src_w, src_channels) into images (n, h, w, channels), from
// row top and column left on, both of which may be negative. What src does not reach is 0, and what
// does not fit is cut off. Geometry C for the rows of dst. Bytes: 2.
KERNEL place_images(act *dst, const act *src, int n, int h, int w, int channels, int src_h, int src_w, int src_channels, int top, int left) {
	if (channels % VEC == 0) place<VEC>(dst, src, n, h, w, channels, src_h, src_w, src_channels, top, left);
	else place<1>(dst, src, n, h, w, channels, src_h, src_w, src_channels, top, left);
}

template <int V> static __device__ void copy_rows(act *dst, int wide, const act *src, int src_wide, long long rows, int channels) {
	int c = column<V>();
	if (c >= channels) return;
	bool whole = wide % V == 0 && src_wide % V == 0 && aligned(dst, 16) && aligned(src, 16);
	Span s = chunk(rows, blockIdx.y);
	for (long long r = s.first + threadIdx.y; r < s.last; r += blockDim.y) {
		const act *from = src + r * src_wide + c;
		act *to = dst + r * wide + c;
		if (whole) {
			float in[V];
			load(in, from);
			store(to, in);
		} else {
			for (int v = 0; v < V; v++) to[v] = from[v];
		}
	}
}

// copy_channels copies the first channels of each row of src_wide elements to the first of each row
// of wide elements. Both may begin at any channel of their tensors. Geometry C. Bytes: 2.
KERNEL copy_channels(act *dst, int wide, const act *src, int src_wide, long long rows, int channels) {
	if (channels % VEC == 0) copy_rows<VEC>(dst, wide, src, src_wide, rows, channels);
	else copy_rows<1>(dst, wide, src, src_wide, rows, channels);
}

// A convolution's kernel lies in parameters as [taps][in][out], and cuDNN wants [more][taps][wide]
// (filter layout NHWC), or [more][wide][taps] (NCHW), of wide ≥ in and more ≥ out channels, the last
// of them zero. Each is the transpose of a matrix of taps·wide rows. Row q of it is row
// kernel_row of the parameters, −1 where those have none.
static __device__ long long kernel_row(int q, int taps, int in, int wide, int nchw) {
	int tap = nchw ? q % taps : q / wide, i = nchw ? q / taps : q % wide;
	return i < in ? tap * (long long)in + i : -1;
}

// pack_kernel makes cuDNN's kernel of the parameters'. Block (32, 8), grid (⌈more/32⌉,
// ⌈taps·wide/32⌉).
KERNEL pack_kernel(act *dst, const float *src, int taps, int in, int wide, int out, int more, int nchw) {
	__shared__ float tile[32][33];
	int rows = taps * wide, o = blockIdx.x * 32 + threadIdx.x;
	for (int i = threadIdx.y; i < 32; i += 8) {
		int q = blockIdx.y * 32 + i;
		if (q >= rows || o >= more) continue;
		long long row = o < out ? kernel_row(q, taps, in, wide, nchw) : -1;
		tile[i][threadIdx.x] = row < 0 ? 0.0f : src[row * out + o];
	}
	__syncthreads();
	int q = blockIdx.y * 32 + threadIdx.x;
	for (int i = threadIdx.y; i < 32; i += 8) {
		int o = blockIdx.x * 32 + i;
		if (q < rows && o < more) dst[(long long)o * rows + q] = narrow(tile[threadIdx.x][i]);
	}
}

// unpack_kernel is the inverse of pack_kernel, for gradients. It sets zero[o] = 0 for all o < out, if
// zero is not null: the gradient of a bias before a BatchNorm. The same geometry.
KERNEL unpack_kernel(float *dst, const act *src, float *zero, int taps, int in, int wide, int out, int nchw) {
	__shared__ float tile[32][33];
	if (zero && blockIdx.y == 0 && threadIdx.y == 0 && blockIdx.x * 32 + threadIdx.x < out) zero[blockIdx.x * 32 + threadIdx.x] = 0;
	int rows = taps * wide, q = blockIdx.y * 32 + threadIdx.x;
	for (int i = threadIdx.y; i < 32; i += 8) {
		int o = blockIdx.x * 32 + i;
		if (q < rows && o < out) tile[i][threadIdx.x] = widen(src[(long long)o * rows + q]);
	}
	__syncthreads();
	int o = blockIdx.x * 32 + threadIdx.x;
	for (int i = threadIdx.y; i < 32; i += 8) {
		int q = blockIdx.y * 32 + i;
		if (q >= rows || o >= out) continue;
		long long row = kernel_row(q, taps, in, wide, nchw);
		if (row >= 0) dst[row * out + o] = tile[threadIdx.x][i];
	}
}
