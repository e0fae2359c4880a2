// Libraries that stand for NVIDIA's in tests without a card: libcuda, libnvrtc, libcublas and
// libcudnn in one. They compute, with the real kernels (emulator.cpp) and with convolutions and
// products in plain loops, and are stricter than the real ones:
//
//   - Nothing that goes to a stream is done before somebody waits for it, so that memory of the
//     host which is used again too early is seen.
//   - Memory of the card ends at a page that cannot be touched, is filled with NaN, and is gone
//     once it was freed.
//   - What may not be done while a stream is recorded is an error, as are calls on a thread without
//     a context.
//   - Every handle is counted.
//
// The environment makes them differ: FAKE_LOG names a file to which each call is written, with the
// number of the handle that it makes or frees; FAKE_FAIL=function:n:status makes call n of a
// function fail (n+: and all later ones); FAKE_CAPABILITY=61, FAKE_DRIVER=12080, FAKE_CUDNN=91002,
// FAKE_DEVICES=0 and FAKE_MEMORY=bytes describe the card. Compiled with -DOLD they lack what came
// later.
#include "emulator.cpp"

#include <sys/mman.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "../api.h"

// The definitions below have the signatures of api.h, or do not compile.
#define DECLARE(name, parameters, arguments) extern "C" lamina_enum name parameters;
LAMINA_FUNCTIONS(DECLARE)
#define API extern "C" lamina_enum

namespace {

// ---- The card, and what the environment says of it ----

long setting(const char *name, long otherwise) {
	const char *text = getenv(name);
	return text ? atol(text) : otherwise;
}

lamina_enum broken; // the error of a kernel: all calls return it from then on

std::map<std::string, long> calls;

std::string reason; // why the last call of cuDNN failed

void write_log(const std::string &line) {
	const char *path = getenv("FAKE_LOG");
	if (!path) return;
	FILE *f = fopen(path, "a");
	fprintf(f, "%s\n", line.c_str());
	fclose(f);
}

// called logs a call and returns the status with which it is to fail, or 0.
lamina_enum called(const char *name) {
	write_log(name);
	const char *fail = getenv("FAKE_FAIL");
	if (!fail) {
		calls.clear();
		return 0;
	}
	std::string text = fail;
	size_t first = text.find(':'), second = text.find(':', first + 1);
	if (text.substr(0, first) != name) return 0;
	long n = atol(text.c_str() + first + 1), now = ++calls[name];
	bool stays = text[second - 1] == '+';
	if (now != n && !(stays && now > n)) return 0;
	if (!strncmp(name, "cudnn", 5)) reason = "Error: as FAKE_FAIL says;\nReason: it is a test";
	return (lamina_enum)atol(text.c_str() + second + 1);
}

#define CALLED                                         \
	do {                                               \
		if (lamina_enum status = called(__func__)) return status; \
		if (broken) return broken;                     \
	} while (0)

// Handles are numbers from 1 on, written to the log when they are made and freed.
std::map<uintptr_t, const char *> handles;
uintptr_t last_handle;

template <class T> T make(const char *kind) {
	handles[++last_handle] = kind;
	write_log("+" + std::string(kind) + " " + std::to_string(last_handle));
	return (T)last_handle;
}

// is reports whether a handle is a live one of a kind.
template <class T> bool is(T handle, const char *kind) {
	auto at = handles.find((uintptr_t)handle);
	return at != handles.end() && !strcmp(at->second, kind);
}

template <class T> bool release(T handle, const char *kind) {
	if (!is(handle, kind)) return false;
	handles.erase((uintptr_t)handle);
	write_log("-" + std::string(kind) + " " + std::to_string((uintptr_t)handle));
	return true;
}

enum : lamina_enum {
	OK = 0,
	INVALID = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, NO_CONTEXT = 201, NO_BINARY = 209, NOT_FOUND = 500, FAILED = 719, NOT_WHILE_CAPTURING = 900,
	BAD_PARAM = 3, FAILS = 8, NOT_SUPPORTED = 9, // of cuDNN
};

const CUcontext PRIMARY = (CUcontext)7; // of the card, for the life of the process
thread_local bool has_context;

// ---- Memory ----

struct block {
	char *mapped;
	size_t length, bytes;
};
std::map<uintptr_t, block> blocks; // by address
size_t used;

size_t total() { return setting("FAKE_MEMORY", 16l << 30); }

// inside reports whether n bytes from p on are memory of the card.
bool inside(uintptr_t p, size_t n) {
	auto at = blocks.upper_bound(p);
	if (at == blocks.begin()) return false;
	--at;
	return p + n <= at->first + at->second.bytes;
}

// ---- Streams ----

typedef std::function<lamina_enum()> work;
std::deque<work> queue;    // what the stream has to do
bool capturing, spoilt;
std::vector<work> recorded;
std::map<uintptr_t, std::vector<work>> graphs;

lamina_enum enqueue(CUstream stream, work w) {
	if (!has_context) return NO_CONTEXT;
	if (!is(stream, "stream")) return INVALID;
	if (capturing) recorded.push_back(w);
	else queue.push_back(w);
	return OK;
}

// wait does all that is on the stream.
lamina_enum wait() {
	if (!has_context) return NO_CONTEXT;
	if (capturing) {
		spoilt = true;
		return NOT_WHILE_CAPTURING;
	}
	while (!queue.empty() && !broken) {
		work w = queue.front();
		queue.pop_front();
		broken = w();
	}
	if (broken) queue.clear();
	return broken;
}

} // namespace

// ---- libcuda ----

API cuInit(unsigned int) {
	CALLED;
	return setting("FAKE_DEVICES", 1) ? OK : NO_DEVICE;
}
API cuDriverGetVersion(int *version) {
	CALLED;
	*version = setting("FAKE_DRIVER", 12080);
	return OK;
}
API cuGetErrorString(lamina_enum error, const char **text) {
	switch (error) {
	case OUT_OF_MEMORY: *text = "out of memory"; return OK;
	case FAILED: *text = "unspecified launch failure"; return OK;
	case NOT_WHILE_CAPTURING: *text = "operation not permitted when stream is capturing"; return OK;
	case NO_CONTEXT: *text = "invalid device context"; return OK;
	case INVALID: *text = "invalid argument"; return OK;
	}
	return INVALID;
}
API cuDeviceGetCount(int *count) {
	CALLED;
	*count = setting("FAKE_DEVICES", 1);
	return OK;
}
API cuDeviceGet(CUdevice *device, int ordinal) {
	CALLED;
	*device = 7;
	return ordinal == 0 ? OK : INVALID;
}
API cuDeviceGetName(char *name, int length, CUdevice device) {
	CALLED;
	snprintf(name, length, "Fake %ld", setting("FAKE_CAPABILITY", 80));
	return device == 7 ? OK : INVALID;
}
API cuDeviceGetAttribute(int *value, lamina_enum attribute, CUdevice device) {
	CALLED;
	long capability = setting("FAKE_CAPABILITY", 80);
	switch (attribute) {
	case LAMINA_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability / 10; break;
	case LAMINA_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability % 10; break;
	case LAMINA_CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 3; break;
	default: return INVALID;
	}
	return device == 7 ? OK : INVALID;
}
API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
	CALLED;
	*context = PRIMARY;
	return device == 7 ? OK : INVALID;
}
API cuCtxSetCurrent(CUcontext context) {
	if (lamina_enum status = called(__func__)) return status;
	if (context && context != PRIMARY) return NO_CONTEXT;
	has_context = context != nullptr;
	return OK;
}
API cuMemGetInfo_v2(size_t *free, size_t *all) {
	CALLED;
	*all = total(), *free = *all - used;
	return has_context ? OK : NO_CONTEXT;
}
API cuMemAlloc_v2(CUdeviceptr *memory, size_t bytes) {
	CALLED;
	if (!has_context) return NO_CONTEXT;
	if (capturing) return spoilt = true, NOT_WHILE_CAPTURING;
	if (bytes == 0) return INVALID;
	if (used + bytes > total()) return OUT_OF_MEMORY;
	const size_t page = 4096;
	size_t rounded = (bytes + page - 1) / page * page;
	block b = {nullptr, rounded + page, bytes};
	b.mapped = (char *)mmap(nullptr, b.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mprotect(b.mapped + rounded, page, PROT_NONE);
	uintptr_t at = (uintptr_t)(b.mapped + rounded - bytes) & ~(uintptr_t)255;
	if (bytes <= 1 << 26) memset((void *)at, 0xff, bytes);
	blocks[at] = b;
	used += bytes;
	handles[at] = "memory";
	write_log("+memory " + std::to_string(at));
	*memory = at;
	return OK;
}
API cuMemFree_v2(CUdeviceptr memory) {
	if (lamina_enum status = called(__func__)) return status;
	if (capturing) return spoilt = true, NOT_WHILE_CAPTURING;
	wait();
	if (!release((uintptr_t)memory, "memory")) return INVALID;
	block b = blocks[memory];
	munmap(b.mapped, b.length);
	used -= b.bytes;
	blocks.erase(memory);
	return OK;
}
API cuMemHostAlloc(void **memory, size_t bytes, unsigned int) {
	CALLED;
	*memory = malloc(bytes);
	memset(*memory, 0xff, bytes);
	handles[(uintptr_t)*memory] = "host memory";
	write_log("+host memory " + std::to_string((uintptr_t)*memory));
	return has_context ? OK : NO_CONTEXT;
}
API cuMemFreeHost(void *memory) {
	if (lamina_enum status = called(__func__)) return status;
	if (!release((uintptr_t)memory, "host memory")) return INVALID;
	free(memory);
	return OK;
}
API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
	CALLED;
	if (!inside(to, bytes)) return INVALID;
	return enqueue(stream, [=] { return memcpy((void *)to, from, bytes), OK; });
}
API cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
	CALLED;
	if (!inside(from, bytes)) return INVALID;
	return enqueue(stream, [=] { return memcpy(to, (void *)from, bytes), OK; });
}
API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
	CALLED;
	if (!inside(to, bytes) || !inside(from, bytes)) return INVALID;
	return enqueue(stream, [=] { return memcpy((void *)to, (void *)from, bytes), OK; });
}
API cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream) {
	CALLED;
	if (!inside(to, bytes)) return INVALID;
	return enqueue(stream, [=] { return memset((void *)to, value, bytes), OK; });
}
API cuStreamCreate(CUstream *stream, unsigned int flags) {
	CALLED;
	*stream = make<CUstream>("stream");
	return flags == LAMINA_CU_STREAM_NON_BLOCKING && has_context ? OK : INVALID;
}
API cuStreamSynchronize(CUstream stream) {
	CALLED;
	return is(stream, "stream") ? wait() : INVALID;
}
API cuStreamDestroy_v2(CUstream stream) {
	if (lamina_enum status = called(__func__)) return status;
	return release(stream, "stream") ? OK : INVALID;
}
API cuStreamBeginCapture_v2(CUstream stream, lamina_enum mode) {
	CALLED;
	if (!is(stream, "stream") || capturing || mode != LAMINA_CU_STREAM_CAPTURE_MODE_RELAXED) return INVALID;
	capturing = true, spoilt = false;
	recorded.clear();
	return OK;
}
API cuStreamEndCapture(CUstream, CUgraph *graph) {
	if (!capturing) return INVALID;
	capturing = false;
	*graph = nullptr;
	CALLED;
	if (spoilt) return 901; // invalidated
	*graph = make<CUgraph>("graph");
	graphs[(uintptr_t)*graph] = recorded;
	return OK;
}
API cuGraphInstantiate(CUgraphExec *exec, CUgraph graph, CUgraphNode *, char *, size_t) {
	CALLED;
	if (!is(graph, "graph")) return INVALID;
	*exec = make<CUgraphExec>("executable graph");
	graphs[(uintptr_t)*exec] = graphs[(uintptr_t)graph];
	return OK;
}
#ifndef OLD
API cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags) {
	CALLED;
	return flags == 0 ? cuGraphInstantiate(exec, graph, nullptr, nullptr, 0) : (lamina_enum)INVALID;
}
#endif
API cuGraphLaunch(CUgraphExec graph, CUstream stream) {
	CALLED;
	if (!is(graph, "executable graph")) return INVALID;
	for (auto &w : graphs[(uintptr_t)graph]) enqueue(stream, w);
	return OK;
}
API cuGraphExecDestroy(CUgraphExec graph) {
	if (lamina_enum status = called(__func__)) return status;
	graphs.erase((uintptr_t)graph);
	return release(graph, "executable graph") ? OK : INVALID;
}
API cuGraphDestroy(CUgraph graph) {
	if (lamina_enum status = called(__func__)) return status;
	graphs.erase((uintptr_t)graph);
	return release(graph, "graph") ? OK : INVALID;
}
API cuEventCreate(CUevent *event, unsigned int) {
	CALLED;
	*event = make<CUevent>("event");
	return OK;
}
API cuEventRecord(CUevent event, CUstream stream) {
	CALLED;
	return is(event, "event") && is(stream, "stream") ? OK : INVALID;
}
API cuEventSynchronize(CUevent event) {
	CALLED;
	return is(event, "event") ? wait() : INVALID;
}
API cuEventElapsedTime(float *milliseconds, CUevent, CUevent) {
	CALLED;
	*milliseconds = 1;
	return OK;
}
API cuEventDestroy_v2(CUevent event) {
	if (lamina_enum status = called(__func__)) return status;
	return release(event, "event") ? OK : INVALID;
}
#include "fake_kernels.inc"
#include "fake_products.inc"
