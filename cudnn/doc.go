// Package cudnn is the engine for NVIDIA cards: convolutions by cuDNN, dense layers by cuBLAS, and
// everything else by the kernels of folder kernels, which NVRTC compiles when the program starts.
//
// It exists on Linux with the build tag cudnn. It needs cgo and a C compiler but no CUDA toolkit:
// it opens the libraries at run time, so that one program runs with and without a card.
//
//	go build -tags cudnn ./cmd/lamina
//
// # How it works
//
// All work goes to one stream, in order. A plan's method only enqueues launches and returns, so the
// program runs ahead of the card; Read and Metrics wait for it. What changes from step to step is
// in device memory (StepState in kernels/common.cu), so a step is a fixed list of launches. The
// second run of a step is recorded as a CUDA graph, which later runs replay. Training images are in
// device memory, too: a step copies only which of them it uses, and how each is shifted.
//
// Activations are NHWC, float32 or bfloat16, parameters float32 in the order that users see. The
// first error stays: later launches do nothing, and Run, Read, Write and Metrics return it.
package cudnn
