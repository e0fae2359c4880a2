// Calls whose arguments Go cannot give in the form that the libraries want: device memory as
// pointers, lists of pointers, and one interface for the three passes of a convolution.

#ifndef LAMINA_CUDNN_LAUNCH_H
#define LAMINA_CUDNN_LAUNCH_H

#include "load.h"

// lamina_launch starts a kernel with arguments of up to 8 bytes, each at the start of a word.
static inline lamina_enum lamina_launch(lamina_api *api, CUfunction function,
                                        unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                                        CUstream stream, const uint64_t *arguments, int count) {
	void *pointers[32] = {NULL};
	if (count >= 32) return LAMINA_MISSING;
	for (int i = 0; i < count; i++) pointers[i] = (void *)&arguments[i];
	return api->cuLaunchKernel(function, gx, gy, gz, bx, by, bz, 0, stream, pointers, NULL);
}

// The passes of a convolution: y of x and w, dx of w and dy, dw of x and dy.
enum { LAMINA_FORWARD, LAMINA_BACKWARD_DATA, LAMINA_BACKWARD_FILTER };

// lamina_convolution has the descriptors of a convolution and the memory of what they describe.
typedef struct {
	cudnnHandle_t handle;
	cudnnTensorDescriptor_t xDesc, yDesc;
	cudnnFilterDescriptor_t wDesc;
	cudnnConvolutionDescriptor_t convolution;
	CUdeviceptr x, y, w, workspace;
	size_t bytes; // of the workspace
} lamina_convolution;

static inline void *lamina_pointer(CUdeviceptr p) { return (void *)(uintptr_t)p; }

// lamina_convolve runs a pass, which replaces what it computes.
static inline lamina_enum lamina_convolve(lamina_api *api, int pass, const lamina_convolution *c, lamina_enum algo) {
	const float one = 1, zero = 0;
	void *x = lamina_pointer(c->x), *y = lamina_pointer(c->y), *w = lamina_pointer(c->w), *workspace = lamina_pointer(c->workspace);
	switch (pass) {
	case LAMINA_FORWARD:
		return api->cudnnConvolutionForward(c->handle, &one, c->xDesc, x, c->wDesc, w, c->convolution, algo,
		                                    workspace, c->bytes, &zero, c->yDesc, y);
	case LAMINA_BACKWARD_DATA:
		return api->cudnnConvolutionBackwardData(c->handle, &one, c->wDesc, w, c->yDesc, y, c->convolution, algo,
		                                         workspace, c->bytes, &zero, c->xDesc, x);
	default:
		return api->cudnnConvolutionBackwardFilter(c->handle, &one, c->xDesc, x, c->yDesc, y, c->convolution, algo,
		                                           workspace, c->bytes, &zero, c->wDesc, w);
	}
}

// lamina_find measures the algorithms of a pass, best first; it writes to the memory of its result.
static inline lamina_enum lamina_find(lamina_api *api, int pass, const lamina_convolution *c, int max, int *count, lamina_perf *results) {
	void *x = lamina_pointer(c->x), *y = lamina_pointer(c->y), *w = lamina_pointer(c->w), *workspace = lamina_pointer(c->workspace);
	switch (pass) {
	case LAMINA_FORWARD:
		return api->cudnnFindConvolutionForwardAlgorithmEx(c->handle, c->xDesc, x, c->wDesc, w, c->convolution, c->yDesc, y,
		                                                   max, count, results, workspace, c->bytes);
	case LAMINA_BACKWARD_DATA:
		return api->cudnnFindConvolutionBackwardDataAlgorithmEx(c->handle, c->wDesc, w, c->yDesc, y, c->convolution, c->xDesc, x,
		                                                        max, count, results, workspace, c->bytes);
	default:
		return api->cudnnFindConvolutionBackwardFilterAlgorithmEx(c->handle, c->xDesc, x, c->yDesc, y, c->convolution, c->wDesc, w,
		                                                          max, count, results, workspace, c->bytes);
	}
}

// lamina_guess returns the algorithms of a pass as cuDNN expects them, best first.
static inline lamina_enum lamina_guess(lamina_api *api, int pass, const lamina_convolution *c, int max, int *count, lamina_perf *results) {
	switch (pass) {
	case LAMINA_FORWARD:
		return api->cudnnGetConvolutionForwardAlgorithm_v7(c->handle, c->xDesc, c->wDesc, c->convolution, c->yDesc, max, count, results);
	case LAMINA_BACKWARD_DATA:
		return api->cudnnGetConvolutionBackwardDataAlgorithm_v7(c->handle, c->wDesc, c->yDesc, c->convolution, c->xDesc, max, count, results);
	default:
		return api->cudnnGetConvolutionBackwardFilterAlgorithm_v7(c->handle, c->xDesc, c->yDesc, c->convolution, c->wDesc, max, count, results);
	}
}

// lamina_workspace returns the bytes that an algorithm of a pass needs.
static inline lamina_enum lamina_workspace(lamina_api *api, int pass, const lamina_convolution *c, lamina_enum algo, size_t *bytes) {
	switch (pass) {
	case LAMINA_FORWARD:
		return api->cudnnGetConvolutionForwardWorkspaceSize(c->handle, c->xDesc, c->wDesc, c->convolution, c->yDesc, algo, bytes);
	case LAMINA_BACKWARD_DATA:
		return api->cudnnGetConvolutionBackwardDataWorkspaceSize(c->handle, c->wDesc, c->yDesc, c->convolution, c->xDesc, algo, bytes);
	default:
		return api->cudnnGetConvolutionBackwardFilterWorkspaceSize(c->handle, c->xDesc, c->yDesc, c->convolution, c->wDesc, algo, bytes);
	}
}

// lamina_gemm sets C = op(A)·op(B), float32, matrices in the order of columns, with A and B of the
// given type.
static inline lamina_enum lamina_gemm(lamina_api *api, cublasHandle_t handle, lamina_enum transA, lamina_enum transB, int m, int n, int k,
                                      CUdeviceptr A, int lda, CUdeviceptr B, int ldb, CUdeviceptr C, int ldc,
                                      lamina_enum type, lamina_enum typeC) {
	const float one = 1, zero = 0;
	if (type == LAMINA_CUDA_R_32F)
		return api->cublasSgemm_v2(handle, transA, transB, m, n, k, &one, lamina_pointer(A), lda, lamina_pointer(B), ldb,
		                           &zero, lamina_pointer(C), ldc);
	return api->cublasGemmEx(handle, transA, transB, m, n, k, &one, lamina_pointer(A), type, lda, lamina_pointer(B), type, ldb,
	                         &zero, lamina_pointer(C), typeC, ldc, LAMINA_CUBLAS_COMPUTE_32F, LAMINA_CUBLAS_GEMM_DEFAULT);
}

static inline lamina_enum lamina_setWorkspace(lamina_api *api, cublasHandle_t handle, CUdeviceptr workspace, size_t bytes) {
	return lamina_cublasSetWorkspace_v2(api, handle, lamina_pointer(workspace), bytes);
}

#endif
