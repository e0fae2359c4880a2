//go:build cudnn && cudnn_headers && cgo && linux

// Compares api.h with the headers of CUDA and cuDNN, where they are. One of
//
//	pip install nvidia-cuda-runtime-cu12 nvidia-cuda-nvcc-cu12 nvidia-cuda-cccl-cu12 nvidia-cuda-nvrtc-cu12 nvidia-cublas-cu12 nvidia-cudnn-cu12
//	pip install nvidia-cuda-runtime nvidia-cuda-crt nvidia-cuda-cccl nvidia-cuda-nvrtc nvidia-cublas nvidia-cudnn-cu13
//
// installs them; then
//
//	CGO_CFLAGS="$(printf -- '-I%s ' $VIRTUAL_ENV/lib/python3*/site-packages/nvidia/*/include)" go build -tags 'cudnn cudnn_headers' ./cudnn

#include "api.h"

#include <cuda.h>
#include <cublas_v2.h>
#include <cudnn.h>
#include <nvrtc.h>

#define SAME_NUMBER(name, value) _Static_assert((long long)name == value, #name);
LAMINA_CONSTANTS(SAME_NUMBER)

// A pointer to the function is one to a function of our prototype, down to the enumerations.
#define SAME_TYPE(name, parameters, arguments) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(&name), __typeof__(((lamina_api *)0)->name)), #name);
LAMINA_CUDA_FUNCTIONS(SAME_TYPE)
LAMINA_CUDA_OPTIONAL(SAME_TYPE)
LAMINA_NVRTC_FUNCTIONS(SAME_TYPE)
LAMINA_NVRTC_OPTIONAL(SAME_TYPE)
LAMINA_CUBLAS_FUNCTIONS(SAME_TYPE)
LAMINA_CUBLAS_OPTIONAL(SAME_TYPE)
LAMINA_CUDNN_FUNCTIONS(SAME_TYPE)
SAME_TYPE(cudnnGetVersion, , )
SAME_TYPE(cudnnGetErrorString, , )
SAME_TYPE(cudnnGetLastErrorString, , )
SAME_TYPE(nvrtcGetErrorString, , )
SAME_TYPE(cublasGetStatusString, , )

// The results of a search have a type of their own for each pass.
#define SAME_FIELD(type, field)                                                              \
	_Static_assert(offsetof(type, field) == offsetof(lamina_perf, field) &&                  \
	               sizeof(((type *)0)->field) == sizeof(((lamina_perf *)0)->field), #type "." #field);
#define SAME_RESULTS(type)                                       \
	_Static_assert(sizeof(type) == sizeof(lamina_perf), #type);  \
	SAME_FIELD(type, algo)                                       \
	SAME_FIELD(type, status)                                     \
	SAME_FIELD(type, time)                                       \
	SAME_FIELD(type, memory)                                     \
	SAME_FIELD(type, determinism)                                \
	SAME_FIELD(type, mathType)
SAME_RESULTS(cudnnConvolutionFwdAlgoPerf_t)
SAME_RESULTS(cudnnConvolutionBwdDataAlgoPerf_t)
SAME_RESULTS(cudnnConvolutionBwdFilterAlgoPerf_t)

#define SAME_PROTOTYPE(name, parameters, arguments) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(&name), lamina_enum(*) parameters), #name);
#define lamina_perf cudnnConvolutionFwdAlgoPerf_t
LAMINA_CUDNN_FORWARD_SEARCHES(SAME_PROTOTYPE)
#undef lamina_perf
#define lamina_perf cudnnConvolutionBwdDataAlgoPerf_t
LAMINA_CUDNN_DATA_SEARCHES(SAME_PROTOTYPE)
#undef lamina_perf
#define lamina_perf cudnnConvolutionBwdFilterAlgoPerf_t
LAMINA_CUDNN_FILTER_SEARCHES(SAME_PROTOTYPE)
