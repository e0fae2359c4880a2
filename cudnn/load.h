// Opening libraries at run time, and calls through the table of their functions, for Go, which
// cannot call a pointer.

#ifndef LAMINA_CUDNN_LOAD_H
#define LAMINA_CUDNN_LOAD_H

#include "api.h"

// The libraries.
enum { LAMINA_CUDA, LAMINA_NVRTC, LAMINA_CUBLAS, LAMINA_CUDNN };

// lamina_open loads a shared library. If it cannot, it returns NULL and sets *error to why, which
// holds until the next call. Libraries stay loaded: to take out those of CUDA and load them again
// is not safe, as they leave threads and exit handlers behind.
void *lamina_open(const char *path, const char **error);

// lamina_bind fills a library's part of the table. It returns NULL, or the name of the first
// function that the library lacks; optional ones may be missing.
const char *lamina_bind(lamina_api *api, int library, void *handle);

// Calls: lamina_cuInit(api, flags) and so on. One that is not there gives LAMINA_MISSING.
#define LAMINA_MISSING 0xffffffffu
#define LAMINA_UNWRAP(...) __VA_ARGS__
#define LAMINA_CALL(name, parameters, arguments)                                            \
	static inline lamina_enum lamina_##name(lamina_api *api, LAMINA_UNWRAP parameters) { \
		return api->name ? api->name arguments : LAMINA_MISSING;                         \
	}
LAMINA_FUNCTIONS(LAMINA_CALL)
#undef LAMINA_CALL

static inline size_t lamina_cudnnGetVersion(lamina_api *api) { return api->cudnnGetVersion(); }

// lamina_error returns what a library calls one of its errors.
const char *lamina_error(lamina_api *api, int library, lamina_enum status);

// lamina_reason sets message to why the last call on this thread failed. It is empty if the library
// does not say.
void lamina_reason(lamina_api *api, int library, char *message, size_t bytes);

#endif
