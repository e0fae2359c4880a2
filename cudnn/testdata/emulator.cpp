// The files of ../kernels for the CPU: a library that tests load to learn whether they compute what
// they should, and that stands behind the driver of tests without a card.
//
//	g++ -std=c++17 -O2 -ffp-contract=off -fno-strict-aliasing -shared -fPIC -o emulator.so emulator.cpp
//
// A launch runs its blocks one after the other. The threads of a block take turns: each runs until
// it ends or comes to a barrier. As long as none has come to a barrier they run on one stack, as a
// plain loop. A barrier that only some of the threads of a block reach is an error. The order in
// which threads run, and blocks, differs from launch to launch, so that what depends on it is seen.
#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <ucontext.h>
#include <utility>
#include <vector>

// ---- What CUDA has built in ----

#define __device__
#define __noinline__
#define __shared__ static
#define __restrict__ __restrict
#define KERNEL static void

struct dim3 {
	unsigned x, y, z;
};
struct alignas(16) uint4 {
	unsigned x, y, z, w;
};
struct alignas(8) uint2 {
	unsigned x, y;
};
struct alignas(16) float4 {
	float x, y, z, w;
};

static dim3 threadIdx, blockIdx, blockDim, gridDim;

static uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static unsigned __float_as_uint(float x) {
	unsigned u;
	memcpy(&u, &x, 4);
	return u;
}
static float __uint_as_float(unsigned u) {
	float x;
	memcpy(&x, &u, 4);
	return x;
}
static float __fadd_rn(float a, float b) { return a + b; }
static float __fsub_rn(float a, float b) { return a - b; }
static float __fmul_rn(float a, float b) { return a * b; }
static unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
template <class T> static T __ldcg(const T *p) { return *p; }
static unsigned atomicAdd(unsigned *p, unsigned n) { return std::exchange(*p, *p + n); }
static void __threadfence() {}
static void __syncthreads();

// ---- The threads of a block ----

namespace {

// A fiber is a stack on which threads run, and where the one that waits at a barrier continues.
struct fiber {
	std::vector<char> stack;
	ucontext_t start;
	jmp_buf resume;
	dim3 thread;
};

std::vector<fiber *> fibers;       // made so far
std::vector<fiber *> free_fibers;  // without a thread
std::vector<fiber *> waiting;      // at the barrier
fiber *running;
jmp_buf scheduler;
ucontext_t outside;
std::vector<unsigned> order; // of the threads of a block
size_t next_thread;          // in order
void (*kernel)(void **);
void **arguments;

// run_threads takes the threads that have not begun, one after the other, and never returns.
void run_threads() {
	for (;;) {
		while (next_thread < order.size()) {
			unsigned t = order[next_thread++];
			running->thread = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
			threadIdx = running->thread;
			kernel(arguments);
		}
		free_fibers.push_back(running);
		if (_setjmp(running->resume) == 0) _longjmp(scheduler, 1);
	}
}

// go_on runs a fiber until it waits or has no thread left.
void go_on(fiber *f, bool fresh) {
	if (_setjmp(scheduler)) return;
	running = f;
	threadIdx = f->thread;
	if (fresh) swapcontext(&outside, &f->start);
	else _longjmp(f->resume, 1);
}

void start_fiber() {
	if (!free_fibers.empty()) {
		fiber *f = free_fibers.back();
		free_fibers.pop_back();
		go_on(f, false);
		return;
	}
	fiber *f = new fiber;
	f->stack.resize(64 << 10);
	getcontext(&f->start);
	f->start.uc_stack.ss_sp = f->stack.data();
	f->start.uc_stack.ss_size = f->stack.size();
	f->start.uc_link = nullptr;
	makecontext(&f->start, run_threads, 0);
	fibers.push_back(f);
	go_on(f, true);
}

// run_block returns whether all threads came to the same barriers.
bool run_block() {
	next_thread = 0;
	while (next_thread < order.size()) start_fiber();
	bool reverse = false;
	while (!waiting.empty()) {
		std::vector<fiber *> ready;
		ready.swap(waiting);
		if (ready.size() != order.size()) return false;
		if (reverse) std::reverse(ready.begin(), ready.end());
		reverse = !reverse;
		for (fiber *f : ready) go_on(f, false);
	}
	return true;
}

} // namespace

static void __syncthreads() {
	fiber *f = running;
	waiting.push_back(f);
	if (_setjmp(f->resume) == 0) _longjmp(scheduler, 1);
}

// ---- The kernels, of both types of activations ----

namespace f32 {
#include "kernels.inc"
}
#define BF16
namespace bf16 {
#include "kernels.inc"
}

namespace {

template <auto F> struct entry;
template <class... P, void (*F)(P...)> struct entry<F> {
	static const int count = sizeof...(P);
	template <size_t... I> static void call(void **args, std::index_sequence<I...>) { F(*(P *)args[I]...); }
	static void run(void **args) { call(args, std::index_sequence_for<P...>()); }
};

#define BOTH(name) {#name "_f32", entry<f32::name>::run, entry<f32::name>::count}, {#name "_bf16", entry<bf16::name>::run, entry<bf16::name>::count},

const struct {
	const char *name;
	void (*run)(void **);
	int arguments;
} table[] = {
	BOTH(step_begin) BOTH(from_float) BOTH(to_float) BOTH(swap_axes) BOTH(place_images) BOTH(copy_channels) BOTH(pack_kernel) BOTH(unpack_kernel)
	BOTH(add_bias) BOTH(add_bias_function) BOTH(bias_of) BOTH(bias_of_function) BOTH(column_sums) BOTH(function) BOTH(function_grad)
	BOTH(bn_statistics) BOTH(bn_running) BOTH(bn_apply) BOTH(bn_apply_function) BOTH(bn_apply_pool)
	BOTH(bn_grad_sums) BOTH(bn_grad_sums_function) BOTH(bn_grad_sums_pool) BOTH(bn_grad) BOTH(bn_grad_function) BOTH(bn_grad_pool)
	BOTH(softmax) BOTH(softmax_grad) BOTH(dropout) BOTH(dropout_grad) BOTH(dropout_mask) BOTH(dropout_channels)
	BOTH(max_pool) BOTH(max_pool_grad) BOTH(pool) BOTH(pool_routes) BOTH(pool_grad) BOTH(depthwise) BOTH(depthwise_grad_data) BOTH(depthwise_grad_filter) BOTH(add) BOTH(add_grad)
	BOTH(loss) BOTH(loss_grad) BOTH(sgd_step) BOTH(adamw_step) BOTH(penalty) BOTH(augment)
};

std::mutex one_at_a_time;
uint32_t seed = 1;

uint32_t random_word() { return seed = seed * 1664525 + 1013904223; }

// shuffle makes an order of the numbers below n: up, down, or from somewhere on, by random odd
// steps.
void shuffle(std::vector<unsigned> &v, size_t n) {
	uint32_t how = random_word() >> 16;
	v.resize(n);
	for (size_t i = 0; i < n; i++) v[i] = how % 3 == 0 ? i : how % 3 == 1 ? n - 1 - i : (i + how) % n;
}

} // namespace

// lamina_arguments returns the number of arguments of a kernel, −1 if there is no such.
extern "C" int lamina_arguments(const char *name) {
	for (auto &e : table)
		if (!strcmp(e.name, name)) return e.arguments;
	return -1;
}

// lamina_launch runs a kernel; args are those of cuLaunchKernel's kernelParams. It returns 0, 1 if
// there is no such kernel, or 2 if not all threads of a block came to a barrier. After 2 no launch
// works.
extern "C" int lamina_launch(const char *name, const unsigned grid[3], const unsigned block[3], void **args) {
	std::lock_guard<std::mutex> lock(one_at_a_time);
	for (auto &e : table) {
		if (strcmp(e.name, name)) continue;
		kernel = e.run, arguments = args;
		gridDim = {grid[0], grid[1], grid[2]}, blockDim = {block[0], block[1], block[2]};
		std::vector<unsigned> blocks;
		shuffle(blocks, (size_t)grid[0] * grid[1] * grid[2]);
		shuffle(order, (size_t)block[0] * block[1] * block[2]);
		for (unsigned b : blocks) {
			blockIdx = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
			if (!run_block()) return 2;
		}
		return 0;
	}
	return 1;
}
