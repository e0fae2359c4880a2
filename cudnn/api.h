// What this package uses of CUDA: types, constants and prototypes, declared here so that nothing
// of CUDA is needed to build, and a table of the functions, which load.c fills at run time.
//
// Enumerations are unsigned int, which is what C compilers make of them. headers_check.c compares
// all of it with the real headers.

#ifndef LAMINA_CUDNN_API_H
#define LAMINA_CUDNN_API_H

#include <stddef.h>
#include <stdint.h>

typedef unsigned int lamina_enum;

// The driver, cuda.h.
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
typedef struct CUgraphNode_st *CUgraphNode;

#define LAMINA_CUDA_CONSTANTS(C)                      \
	C(CUDA_SUCCESS, 0)                                \
	C(CUDA_ERROR_OUT_OF_MEMORY, 2)                    \
	C(CUDA_ERROR_NO_DEVICE, 100)                      \
	C(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75) \
	C(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76) \
	C(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)   \
	C(CU_STREAM_NON_BLOCKING, 1)                      \
	C(CU_EVENT_DISABLE_TIMING, 2)                     \
	C(CU_STREAM_CAPTURE_MODE_RELAXED, 2)

#define LAMINA_CUDA_FUNCTIONS(F)                                                                        \
	F(cuInit, (unsigned int flags), (flags))                                                            \
	F(cuDriverGetVersion, (int *version), (version))                                                    \
	F(cuGetErrorString, (lamina_enum error, const char **text), (error, text))                          \
	F(cuDeviceGetCount, (int *count), (count))                                                          \
	F(cuDeviceGet, (CUdevice *device, int ordinal), (device, ordinal))                                  \
	F(cuDeviceGetName, (char *name, int length, CUdevice device), (name, length, device))               \
	F(cuDeviceGetAttribute, (int *value, lamina_enum attribute, CUdevice device), (value, attribute, device)) \
	F(cuDevicePrimaryCtxRetain, (CUcontext *context, CUdevice device), (context, device))               \
	F(cuCtxSetCurrent, (CUcontext context), (context))                                                  \
	F(cuMemGetInfo_v2, (size_t *free, size_t *total), (free, total))                                    \
	F(cuMemAlloc_v2, (CUdeviceptr *memory, size_t bytes), (memory, bytes))                              \
	F(cuMemFree_v2, (CUdeviceptr memory), (memory))                                                     \
	F(cuMemHostAlloc, (void **memory, size_t bytes, unsigned int flags), (memory, bytes, flags))        \
	F(cuMemFreeHost, (void *memory), (memory))                                                          \
	F(cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void *from, size_t bytes, CUstream stream), (to, from, bytes, stream)) \
	F(cuMemcpyDtoHAsync_v2, (void *to, CUdeviceptr from, size_t bytes, CUstream stream), (to, from, bytes, stream)) \
	F(cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream), (to, from, bytes, stream)) \
	F(cuMemsetD8Async, (CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream), (to, value, bytes, stream)) \
	F(cuStreamCreate, (CUstream *stream, unsigned int flags), (stream, flags))                          \
	F(cuStreamSynchronize, (CUstream stream), (stream))                                                 \
	F(cuStreamDestroy_v2, (CUstream stream), (stream))                                                  \
	F(cuStreamBeginCapture_v2, (CUstream stream, lamina_enum mode), (stream, mode))                     \
	F(cuStreamEndCapture, (CUstream stream, CUgraph *graph), (stream, graph))                           \
	F(cuGraphLaunch, (CUgraphExec graph, CUstream stream), (graph, stream))                             \
	F(cuGraphExecDestroy, (CUgraphExec graph), (graph))                                                 \
	F(cuGraphDestroy, (CUgraph graph), (graph))                                                         \
	F(cuEventCreate, (CUevent *event, unsigned int flags), (event, flags))                              \
	F(cuEventRecord, (CUevent event, CUstream stream), (event, stream))                                 \
	F(cuEventSynchronize, (CUevent event), (event))                                                     \
	F(cuEventDestroy_v2, (CUevent event), (event))                                                      \
	F(cuModuleLoadData, (CUmodule *module, const void *image), (module, image))                         \
	F(cuModuleUnload, (CUmodule module), (module))                                                      \
	F(cuModuleGetFunction, (CUfunction *function, CUmodule module, const char *name), (function, module, name)) \
	F(cuLaunchKernel,                                                                                   \
	  (CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz,                          \
	   unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared, CUstream stream,         \
	   void **arguments, void **extra),                                                                 \
	  (function, gx, gy, gz, bx, by, bz, shared, stream, arguments, extra))

// Since CUDA 11.4.
#define LAMINA_CUDA_OPTIONAL(F) \
	F(cuGraphInstantiateWithFlags, (CUgraphExec *exec, CUgraph graph, unsigned long long flags), (exec, graph, flags))

// Forms that drivers have, but headers declare no longer: cuGraphInstantiate with five arguments
// since CUDA 12, needed only without cuGraphInstantiateWithFlags, and cuEventElapsedTime without _v2
// since CUDA 13. Both are optional.
#define LAMINA_CUDA_UNDECLARED(F)                                                                  \
	F(cuEventElapsedTime, (float *milliseconds, CUevent from, CUevent to), (milliseconds, from, to)) \
	F(cuGraphInstantiate, (CUgraphExec *exec, CUgraph graph, CUgraphNode *node, char *log, size_t bytes), \
	  (exec, graph, node, log, bytes))

// The compiler, nvrtc.h.
typedef struct _nvrtcProgram *nvrtcProgram;

#define LAMINA_NVRTC_CONSTANTS(C) C(NVRTC_SUCCESS, 0)

#define LAMINA_NVRTC_FUNCTIONS(F)                                                                        \
	F(nvrtcVersion, (int *major, int *minor), (major, minor))                                           \
	F(nvrtcCreateProgram,                                                                               \
	  (nvrtcProgram *program, const char *source, const char *name, int headers,                        \
	   const char *const *contents, const char *const *names),                                          \
	  (program, source, name, headers, contents, names))                                                \
	F(nvrtcCompileProgram, (nvrtcProgram program, int count, const char *const *options), (program, count, options)) \
	F(nvrtcGetPTXSize, (nvrtcProgram program, size_t *bytes), (program, bytes))                         \
	F(nvrtcGetPTX, (nvrtcProgram program, char *ptx), (program, ptx))                                   \
	F(nvrtcGetProgramLogSize, (nvrtcProgram program, size_t *bytes), (program, bytes))                  \
	F(nvrtcGetProgramLog, (nvrtcProgram program, char *log), (program, log))                            \
	F(nvrtcDestroyProgram, (nvrtcProgram *program), (program))

// Since CUDA 11.1.
#define LAMINA_NVRTC_OPTIONAL(F)                                                      \
	F(nvrtcGetCUBINSize, (nvrtcProgram program, size_t *bytes), (program, bytes))    \
	F(nvrtcGetCUBIN, (nvrtcProgram program, char *cubin), (program, cubin))

// Matrix products, cublas_v2.h.
typedef struct cublasContext *cublasHandle_t;

#define LAMINA_CUBLAS_CONSTANTS(C)       \
	C(CUBLAS_OP_N, 0)                    \
	C(CUBLAS_OP_T, 1)                    \
	C(CUBLAS_DEFAULT_MATH, 0)            \
	C(CUBLAS_TF32_TENSOR_OP_MATH, 3)     \
	C(CUBLAS_GEMM_DEFAULT, -1)           \
	C(CUBLAS_COMPUTE_32F, 68)            \
	C(CUDA_R_32F, 0)                     \
	C(CUDA_R_16BF, 14)

#define LAMINA_CUBLAS_FUNCTIONS(F)                                                                  \
	F(cublasCreate_v2, (cublasHandle_t *handle), (handle))                                         \
	F(cublasDestroy_v2, (cublasHandle_t handle), (handle))                                         \
	F(cublasSetStream_v2, (cublasHandle_t handle, CUstream stream), (handle, stream))              \
	F(cublasSetMathMode, (cublasHandle_t handle, lamina_enum mode), (handle, mode))                \
	F(cublasSgemm_v2,                                                                              \
	  (cublasHandle_t handle, lamina_enum transA, lamina_enum transB, int m, int n, int k,         \
	   const float *alpha, const float *A, int lda, const float *B, int ldb,                       \
	   const float *beta, float *C, int ldc),                                                      \
	  (handle, transA, transB, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc))                      \
	F(cublasGemmEx,                                                                                \
	  (cublasHandle_t handle, lamina_enum transA, lamina_enum transB, int m, int n, int k,         \
	   const void *alpha, const void *A, lamina_enum typeA, int lda,                               \
	   const void *B, lamina_enum typeB, int ldb,                                                  \
	   const void *beta, void *C, lamina_enum typeC, int ldc, lamina_enum compute, int algorithm), \
	  (handle, transA, transB, m, n, k, alpha, A, typeA, lda, B, typeB, ldb, beta, C, typeC, ldc, compute, algorithm))

// Since CUDA 11.
#define LAMINA_CUBLAS_OPTIONAL(F) \
	F(cublasSetWorkspace_v2, (cublasHandle_t handle, void *workspace, size_t bytes), (handle, workspace, bytes))

// Convolutions, cudnn.h.
typedef struct cudnnContext *cudnnHandle_t;
typedef struct cudnnTensorStruct *cudnnTensorDescriptor_t;
typedef struct cudnnFilterStruct *cudnnFilterDescriptor_t;
typedef struct cudnnConvolutionStruct *cudnnConvolutionDescriptor_t;

// cudnnConvolutionFwdAlgoPerf_t, and the like of the two backward passes, which have the same
// fields.
typedef struct {
	lamina_enum algo;
	lamina_enum status;
	float time;
	size_t memory;
	lamina_enum determinism;
	lamina_enum mathType;
	int reserved[3];
} lamina_perf;

#define LAMINA_CUDNN_CONSTANTS(C)   \
	C(CUDNN_STATUS_SUCCESS, 0)      \
	C(CUDNN_DATA_FLOAT, 0)          \
	C(CUDNN_DATA_BFLOAT16, 9)       \
	C(CUDNN_TENSOR_NCHW, 0)         \
	C(CUDNN_TENSOR_NHWC, 1)         \
	C(CUDNN_CROSS_CORRELATION, 1)   \
	C(CUDNN_DEFAULT_MATH, 0)        \
	C(CUDNN_TENSOR_OP_MATH, 1)      \
	C(CUDNN_FMA_MATH, 3)            \
	C(CUDNN_DETERMINISTIC, 1)

#define LAMINA_CUDNN_FUNCTIONS(F)                                                                              \
	F(cudnnCreate, (cudnnHandle_t *handle), (handle))                                                         \
	F(cudnnDestroy, (cudnnHandle_t handle), (handle))                                                         \
	F(cudnnSetStream, (cudnnHandle_t handle, CUstream stream), (handle, stream))                              \
	F(cudnnCreateTensorDescriptor, (cudnnTensorDescriptor_t *descriptor), (descriptor))                       \
	F(cudnnSetTensor4dDescriptor,                                                                             \
	  (cudnnTensorDescriptor_t descriptor, lamina_enum format, lamina_enum type, int n, int c, int h, int w), \
	  (descriptor, format, type, n, c, h, w))                                                                 \
	F(cudnnDestroyTensorDescriptor, (cudnnTensorDescriptor_t descriptor), (descriptor))                       \
	F(cudnnCreateFilterDescriptor, (cudnnFilterDescriptor_t *descriptor), (descriptor))                       \
	F(cudnnSetFilter4dDescriptor,                                                                             \
	  (cudnnFilterDescriptor_t descriptor, lamina_enum type, lamina_enum format, int k, int c, int h, int w), \
	  (descriptor, type, format, k, c, h, w))                                                                 \
	F(cudnnDestroyFilterDescriptor, (cudnnFilterDescriptor_t descriptor), (descriptor))                       \
	F(cudnnCreateConvolutionDescriptor, (cudnnConvolutionDescriptor_t *descriptor), (descriptor))             \
	F(cudnnSetConvolution2dDescriptor,                                                                        \
	  (cudnnConvolutionDescriptor_t descriptor, int padH, int padW, int strideH, int strideW,                 \
	   int dilationH, int dilationW, lamina_enum mode, lamina_enum type),                                     \
	  (descriptor, padH, padW, strideH, strideW, dilationH, dilationW, mode, type))                           \
	F(cudnnSetConvolutionMathType, (cudnnConvolutionDescriptor_t descriptor, lamina_enum math), (descriptor, math)) \
	F(cudnnDestroyConvolutionDescriptor, (cudnnConvolutionDescriptor_t descriptor), (descriptor))             \
	F(cudnnGetConvolution2dForwardOutputDim,                                                                  \
	  (cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,        \
	   int *n, int *c, int *h, int *width),                                                                   \
	  (convolution, x, w, n, c, h, width))                                                                    \
	F(cudnnGetConvolutionForwardWorkspaceSize,                                                                \
	  (cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,                            \
	   cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y, lamina_enum algo, size_t *bytes), \
	  (handle, x, w, convolution, y, algo, bytes))                                                            \
	F(cudnnGetConvolutionBackwardDataWorkspaceSize,                                                           \
	  (cudnnHandle_t handle, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t dy,                           \
	   cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx, lamina_enum algo, size_t *bytes), \
	  (handle, w, dy, convolution, dx, algo, bytes))                                                          \
	F(cudnnGetConvolutionBackwardFilterWorkspaceSize,                                                         \
	  (cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t dy,                           \
	   cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw, lamina_enum algo, size_t *bytes), \
	  (handle, x, dy, convolution, dw, algo, bytes))                                                          \
	F(cudnnConvolutionForward,                                                                                \
	  (cudnnHandle_t handle, const void *alpha, cudnnTensorDescriptor_t xDesc, const void *x,                 \
	   cudnnFilterDescriptor_t wDesc, const void *w, cudnnConvolutionDescriptor_t convolution,                \
	   lamina_enum algo, void *workspace, size_t bytes, const void *beta,                                     \
	   cudnnTensorDescriptor_t yDesc, void *y),                                                               \
	  (handle, alpha, xDesc, x, wDesc, w, convolution, algo, workspace, bytes, beta, yDesc, y))               \
	F(cudnnConvolutionBackwardData,                                                                           \
	  (cudnnHandle_t handle, const void *alpha, cudnnFilterDescriptor_t wDesc, const void *w,                 \
	   cudnnTensorDescriptor_t dyDesc, const void *dy, cudnnConvolutionDescriptor_t convolution,              \
	   lamina_enum algo, void *workspace, size_t bytes, const void *beta,                                     \
	   cudnnTensorDescriptor_t dxDesc, void *dx),                                                             \
	  (handle, alpha, wDesc, w, dyDesc, dy, convolution, algo, workspace, bytes, beta, dxDesc, dx))           \
	F(cudnnConvolutionBackwardFilter,                                                                         \
	  (cudnnHandle_t handle, const void *alpha, cudnnTensorDescriptor_t xDesc, const void *x,                 \
	   cudnnTensorDescriptor_t dyDesc, const void *dy, cudnnConvolutionDescriptor_t convolution,              \
	   lamina_enum algo, void *workspace, size_t bytes, const void *beta,                                     \
	   cudnnFilterDescriptor_t dwDesc, void *dw),                                                             \
	  (handle, alpha, xDesc, x, dyDesc, dy, convolution, algo, workspace, bytes, beta, dwDesc, dw))

// The searches for an algorithm: measured, and known beforehand.
#define LAMINA_CUDNN_FORWARD_SEARCHES(F) \
	F(cudnnFindConvolutionForwardAlgorithmEx,                                                                 \
	  (cudnnHandle_t handle, cudnnTensorDescriptor_t xDesc, const void *x,                                    \
	   cudnnFilterDescriptor_t wDesc, const void *w, cudnnConvolutionDescriptor_t convolution,                \
	   cudnnTensorDescriptor_t yDesc, void *y, int requested, int *returned, lamina_perf *results,            \
	   void *workspace, size_t bytes),                                                                        \
	  (handle, xDesc, x, wDesc, w, convolution, yDesc, y, requested, returned, results, workspace, bytes)) \
	F(cudnnGetConvolutionForwardAlgorithm_v7,                                                                 \
	  (cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,                            \
	   cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y,                                   \
	   int requested, int *returned, lamina_perf *results),                                                   \
	  (handle, x, w, convolution, y, requested, returned, results))
#define LAMINA_CUDNN_DATA_SEARCHES(F) \
	F(cudnnFindConvolutionBackwardDataAlgorithmEx,                                                            \
	  (cudnnHandle_t handle, cudnnFilterDescriptor_t wDesc, const void *w,                                    \
	   cudnnTensorDescriptor_t dyDesc, const void *dy, cudnnConvolutionDescriptor_t convolution,              \
	   cudnnTensorDescriptor_t dxDesc, void *dx, int requested, int *returned, lamina_perf *results,          \
	   void *workspace, size_t bytes),                                                                        \
	  (handle, wDesc, w, dyDesc, dy, convolution, dxDesc, dx, requested, returned, results, workspace, bytes)) \
	F(cudnnGetConvolutionBackwardDataAlgorithm_v7,                                                            \
	  (cudnnHandle_t handle, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t dy,                           \
	   cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx,                                  \
	   int requested, int *returned, lamina_perf *results),                                                   \
	  (handle, w, dy, convolution, dx, requested, returned, results))
#define LAMINA_CUDNN_FILTER_SEARCHES(F) \
	F(cudnnFindConvolutionBackwardFilterAlgorithmEx,                                                          \
	  (cudnnHandle_t handle, cudnnTensorDescriptor_t xDesc, const void *x,                                    \
	   cudnnTensorDescriptor_t dyDesc, const void *dy, cudnnConvolutionDescriptor_t convolution,              \
	   cudnnFilterDescriptor_t dwDesc, void *dw, int requested, int *returned, lamina_perf *results,          \
	   void *workspace, size_t bytes),                                                                        \
	  (handle, xDesc, x, dyDesc, dy, convolution, dwDesc, dw, requested, returned, results, workspace, bytes)) \
	F(cudnnGetConvolutionBackwardFilterAlgorithm_v7,                                                          \
	  (cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t dy,                           \
	   cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw,                                  \
	   int requested, int *returned, lamina_perf *results),                                                   \
	  (handle, x, dy, convolution, dw, requested, returned, results))
#define LAMINA_CUDNN_SEARCHES(F)        \
	LAMINA_CUDNN_FORWARD_SEARCHES(F)    \
	LAMINA_CUDNN_DATA_SEARCHES(F)       \
	LAMINA_CUDNN_FILTER_SEARCHES(F)

#define LAMINA_FUNCTIONS(F)      \
	LAMINA_CUDA_FUNCTIONS(F)     \
	LAMINA_CUDA_OPTIONAL(F)      \
	LAMINA_CUDA_UNDECLARED(F)    \
	LAMINA_NVRTC_FUNCTIONS(F)    \
	LAMINA_NVRTC_OPTIONAL(F)     \
	LAMINA_CUBLAS_FUNCTIONS(F)   \
	LAMINA_CUBLAS_OPTIONAL(F)    \
	LAMINA_CUDNN_FUNCTIONS(F)    \
	LAMINA_CUDNN_SEARCHES(F)

#define LAMINA_CONSTANTS(C)      \
	LAMINA_CUDA_CONSTANTS(C)     \
	LAMINA_NVRTC_CONSTANTS(C)    \
	LAMINA_CUBLAS_CONSTANTS(C)   \
	LAMINA_CUDNN_CONSTANTS(C)

enum {
#define LAMINA_CONSTANT(name, value) LAMINA_##name = value,
	LAMINA_CONSTANTS(LAMINA_CONSTANT)
#undef LAMINA_CONSTANT
};

// lamina_api is the table of functions. All but the optional ones are set once their library is
// loaded.
typedef struct {
#define LAMINA_MEMBER(name, parameters, arguments) lamina_enum(*name) parameters;
	LAMINA_FUNCTIONS(LAMINA_MEMBER)
#undef LAMINA_MEMBER
	size_t (*cudnnGetVersion)(void);
	const char *(*cudnnGetErrorString)(lamina_enum status);
	void (*cudnnGetLastErrorString)(char *message, size_t bytes); // optional: since cuDNN 9
	const char *(*nvrtcGetErrorString)(lamina_enum status);
	const char *(*cublasGetStatusString)(lamina_enum status); // optional: since CUDA 11.4
} lamina_api;

#endif
