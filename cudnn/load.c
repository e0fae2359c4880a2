//go:build cudnn && cgo && linux

#define _GNU_SOURCE
#include "load.h"

#include <dlfcn.h>

void *lamina_open(const char *path, const char **error) {
	// cuDNN looks for the symbols of cuBLAS among those of the program.
	void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	*error = handle ? NULL : dlerror();
	return handle;
}

// find sets *function, of whatever type, to the symbol; the copy is how POSIX converts it.
static int find(void *handle, const char *symbol, void *function) {
	void *address = dlsym(handle, symbol);
	*(void **)function = address;
	return address != NULL;
}

const char *lamina_bind(lamina_api *api, int library, void *handle) {
#define NEED(name, parameters, arguments) \
	if (!find(handle, #name, &api->name)) return #name;
#define MAY(name, parameters, arguments) find(handle, #name, &api->name);
	switch (library) {
	case LAMINA_CUDA:
		LAMINA_CUDA_FUNCTIONS(NEED)
		LAMINA_CUDA_UNDECLARED(MAY)
		LAMINA_CUDA_OPTIONAL(MAY)
		break;
	case LAMINA_NVRTC:
		LAMINA_NVRTC_FUNCTIONS(NEED)
		NEED(nvrtcGetErrorString, , )
		LAMINA_NVRTC_OPTIONAL(MAY)
		break;
	case LAMINA_CUBLAS:
		LAMINA_CUBLAS_FUNCTIONS(NEED)
		LAMINA_CUBLAS_OPTIONAL(MAY)
		MAY(cublasGetStatusString, , )
		break;
	case LAMINA_CUDNN:
		LAMINA_CUDNN_FUNCTIONS(NEED)
		LAMINA_CUDNN_SEARCHES(NEED)
		NEED(cudnnGetVersion, , )
		NEED(cudnnGetErrorString, , )
		MAY(cudnnGetLastErrorString, , )
		break;
	}
	return NULL;
}

const char *lamina_error(lamina_api *api, int library, lamina_enum status) {
	const char *text = NULL;
	switch (library) {
	case LAMINA_CUDA:
		if (api->cuGetErrorString(status, &text) != LAMINA_CUDA_SUCCESS) text = NULL;
		break;
	case LAMINA_NVRTC:
		text = api->nvrtcGetErrorString(status);
		break;
	case LAMINA_CUBLAS:
		if (api->cublasGetStatusString) text = api->cublasGetStatusString(status);
		break;
	case LAMINA_CUDNN:
		text = api->cudnnGetErrorString(status);
		break;
	}
	return text ? text : "unknown error";
}

void lamina_reason(lamina_api *api, int library, char *message, size_t bytes) {
	message[0] = 0;
	if (library == LAMINA_CUDNN && api->cudnnGetLastErrorString) api->cudnnGetLastErrorString(message, bytes);
}
