// The kernels of a training step, without convolutions (cuDNN), except depthwise ones, and matrix
// products (cuBLAS).
//
// The files of this folder, this one first, are one program. NVRTC compiles it for the card found
// (compute capability 6.0 and later) when the backend is opened. It includes nothing:
//
//	--gpu-architecture=sm_XX --std=c++14 [-DBF16]
//
// act is the type of activations: float, or bfloat16 with -DBF16. Parameters, statistics and losses
// are float; arithmetic is float where it does not say double. Every run gives the same bits: the
// last block to finish adds the partial sums in their order.
//
// Contracts of all kernels:
//   - Activations are NHWC, row-major: rows of channels, begin at a multiple of 16 bytes and do not
//     overlap others, but for dx, which may be x or dy, and y of an element-wise kernel, which may
//     be x. Parameters (gamma, w, …) may begin at any element.
//   - Geometry E, for n elements: block 256, any grid; a thread takes VEC elements at a time.
//   - Geometry C, for rows of channels: block (4, 64) and grid.x = ⌈channels/(4·VEC)⌉ if VEC
//     divides the channels (64 bytes of a row, and few channels in the last block of a sum), else
//     block (32, 8) and grid.x = ⌈channels/32⌉. grid.y ≥ 1 is the number of chunks of rows. A sum
//     has at most 256·block.y rows in a chunk, so that float is accurate enough.
//   - partials is scratch memory for partial sums, 2·channels·grid.y floats for geometry C.
//     counters is zero when a kernel begins and when it ends, grid.x words. Kernels of one stream
//     may share both.
//   - "Bytes" is the traffic to device memory per element of x, in units of an activation (2 or 4
//     bytes). All kernels are bound by it.

#ifndef KERNEL // the tests compile this file for the CPU, with meanings of their own
#define KERNEL extern "C" __global__ void __launch_bounds__(256)
#endif

#ifdef BF16
typedef unsigned short act;
enum { VEC = 8 };
#else
typedef float act;
enum { VEC = 4 }; // elements of 16 bytes, the widest load
#endif

// StepState is what changes from step to step. The host writes it before each step.
struct StepState {
	unsigned long long step; // counter of the dropout masks
	float learning_rate;
	unsigned slot; // of the metrics
};

// StepMetrics is what one step measured.
struct StepMetrics {
	double loss, penalty;
	int images, correct;
};

// Range is a range of the parameters with one λ.
struct Range {
	long long from;
	int size; // at most 16384
	float lambda;
};

// Sample is one use of an image of the dataset.
struct Sample {
	float index;    // in the set
	float tx, ty;   // shift of the image to the left and up, in pixels
	float mirrored; // left to right, after the shift; or 0
};

// ---- Values ----

#ifdef BF16

static __device__ float widen(act x) { return __uint_as_float((unsigned)x << 16); }

// narrow rounds to nearest, ties to even; NaN stays NaN.
static __device__ act narrow(float x) {
	unsigned bits = __float_as_uint(x);
	if (x != x) return (act)(bits >> 16 | 0x40);
	return (act)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// pair rounds two numbers, the first to the low half. From Ampere on that is one instruction, where
// narrow takes a dozen: the kernels that pool would be bound by them and not by memory.
static __device__ unsigned pair(float a, float b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
	unsigned two;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(two) : "f"(b), "f"(a));
	return two;
#else
	return (unsigned)narrow(a) | (unsigned)narrow(b) << 16;
#endif
}

static __device__ void split(float *r, unsigned two) {
	r[0] = __uint_as_float(two << 16);
	r[1] = __uint_as_float(two & 0xffff0000u);
}

static __device__ void load(float (&r)[8], const act *p) {
	uint4 q = *(const uint4 *)p;
	split(r, q.x), split(r + 2, q.y), split(r + 4, q.z), split(r + 6, q.w);
}

static __device__ void store(act *p, const float (&r)[8]) {
	*(uint4 *)p = make_uint4(pair(r[0], r[1]), pair(r[2], r[3]), pair(r[4], r[5]), pair(r[6], r[7]));
}

static __device__ void load(float (&r)[4], const act *p) {
	uint2 q = *(const uint2 *)p;
	split(r, q.x), split(r + 2, q.y);
}

static __device__ void store(act *p, const float (&r)[4]) {
	*(uint2 *)p = make_uint2(pair(r[0], r[1]), pair(r[2], r[3]));
}

static __device__ void load(float (&r)[1], const act *p) { r[0] = widen(*p); }
static __device__ void store(act *p, const float (&r)[1]) { *p = narrow(r[0]); }

static __device__ void load(float (&r)[8], const float *p) {
	float4 a = ((const float4 *)p)[0], b = ((const float4 *)p)[1];
	r[0] = a.x, r[1] = a.y, r[2] = a.z, r[3] = a.w, r[4] = b.x, r[5] = b.y, r[6] = b.z, r[7] = b.w;
}

static __device__ void store(float *p, const float (&r)[8]) {
	((float4 *)p)[0] = make_float4(r[0], r[1], r[2], r[3]);
	((float4 *)p)[1] = make_float4(r[4], r[5], r[6], r[7]);
}

#else

static __device__ float widen(act x) { return x; }
static __device__ act narrow(float x) { return x; }

#endif

static __device__ void load(float (&r)[4], const float *p) {
	float4 q = *(const float4 *)p;
	r[0] = q.x, r[1] = q.y, r[2] = q.z, r[3] = q.w;
}

static __device__ void store(float *p, const float (&r)[4]) { *(float4 *)p = make_float4(r[0], r[1], r[2], r[3]); }
static __device__ void load(float (&r)[1], const float *p) { r[0] = *p; }
static __device__ void store(float *p, const float (&r)[1]) { *p = r[0]; }

static __device__ bool aligned(const void *p, int bytes) { return ((unsigned long long)p & (bytes - 1)) == 0; }

// not_below returns the larger of z and floor; NaN stays NaN.
static __device__ float not_below(float floor, float z) { return z <= floor ? floor : z; }

// floor_of is 0 where a ReLU follows, else −∞.
static __device__ float floor_of(int relu) { return relu ? 0.0f : __uint_as_float(0xff800000u); }

// above reports whether z replaces best in a maximum: NaN is above all, and the first of equals
// counts.
static __device__ bool above(float z, float best) { return z > best || (z != z && best == best); }

// ---- Blocks and their partial sums ----

static __device__ int thread_in_block() { return threadIdx.y * blockDim.x + threadIdx.x; }

// last_block reports, to all threads of a block, whether it is the last of total blocks to call it.
// The last block sees what all others wrote before their calls. It resets the counter to zero.
static __device__ bool last_block(unsigned *counter, unsigned total) {
	__shared__ bool last;
	__threadfence();
	__syncthreads();
	if (thread_in_block() == 0) {
		last = atomicAdd(counter, 1u) == total - 1;
		if (last) *counter = 0;
	}
	__syncthreads();
	__threadfence();
	return last;
}

// fold adds the x of all threads whose index is the same modulo width, a power of two, and returns
// the sum to each of them. There are few sums, so double costs little even where it is slow.
static __device__ double fold(double x, int width) {
	__shared__ double shared[256];
	int t = thread_in_block(), n = blockDim.x * blockDim.y;
	__syncthreads();
	shared[t] = x;
	for (n /= 2; n >= width; n /= 2) {
		__syncthreads();
		if (t < n) shared[t] += shared[t + n];
	}
	__syncthreads();
	return shared[t & (width - 1)];
}

// Span is a range of rows.
struct Span {
	long long first, last;
};

// chunk_rows returns the number of rows in each of gridDim.y chunks but the last ones.
static __device__ long long chunk_rows(long long rows) { return (rows + gridDim.y - 1) / gridDim.y; }

// chunk returns the rows of chunk i.
static __device__ Span chunk(long long rows, int i) {
	long long each = chunk_rows(rows), first = i * each;
	Span s = {first, first + each < rows ? first + each : rows};
	return s;
}

// column returns the first of a thread's V channels.
template <int V> static __device__ int column() { return (blockIdx.x * blockDim.x + threadIdx.x) * V; }

// add_threads adds the sums of the threads of a block that have the same channels, and stores them
// as the partial sums of the block: partials[chunk][K][channels].
template <int K, int V> static __device__ void add_threads(float *partials, float (&sum)[K][V], int channels) {
	__shared__ float shared[K * V * 256];
	int c = column<V>(), width = blockDim.x * blockDim.y, t = thread_in_block();
	for (int k = 0; k < K; k++)
		for (int v = 0; v < V; v++) shared[(k * V + v) * width + t] = sum[k][v];
	for (int n = blockDim.y / 2; n > 0; n /= 2) {
		__syncthreads();
		if (threadIdx.y < n)
			for (int i = 0; i < K * V; i++) shared[i * width + t] += shared[i * width + t + n * blockDim.x];
	}
	if (threadIdx.y > 0 || c >= channels) return;
	for (int k = 0; k < K; k++)
		for (int v = 0; v < V; v++)
			partials[((long long)blockIdx.y * K + k) * channels + c + v] = shared[(k * V + v) * width + t];
}

// Finish is how the threads of a block divide its channels and the chunks when they add partial
// sums: each takes every slices-th chunk of one channel, and the first slice ends with the sums.
template <int V> struct Finish {
	int width, channel, slice, slices;
	__device__ Finish() {
		width = blockDim.x * V;
		channel = blockIdx.x * width + thread_in_block() % width;
		slice = thread_in_block() / width;
		slices = blockDim.x * blockDim.y / width;
	}
};

// add_partials returns Σ over all chunks of partials[chunk][k][channel], of K sums. A thread adds
// some dozens of them.
template <int K, int V> static __device__ double add_partials(const float *partials, int k, int channels) {
	Finish<V> f;
	float sum = 0;
	if (f.channel < channels) {
#pragma unroll 8
		for (int i = f.slice; i < gridDim.y; i += f.slices) sum += __ldcg(&partials[((long long)i * K + k) * channels + f.channel]);
	}
	return fold(sum, f.width);
}
