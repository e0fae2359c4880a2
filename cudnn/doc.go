// Package cudnn is the engine for NVIDIA cards: convolutions by cuDNN, dense layers by cuBLAS, and
// everything else by the kernels of folder kernels, which NVRTC compiles when the program starts.
//
// It is there on Linux with the build tag cudnn, and needs cgo and a C compiler but nothing of CUDA:
// the libraries are opened at run time, so that one program runs with and without a card.
//
//	go build -tags cudnn ./cmd/train
//
// # How it works
//
// All work goes to one stream, in order. A plan's method only puts launches there and returns, so the
// program works ahead of the card; Read and Metrics wait for it. What can change from step to step
// lies in the card's memory (StepState in kernels/common.cu), which makes a step a fixed list of launches:
// a step that comes twice in succession is recorded as a CUDA graph, and replayed from then on. The images of a training
// lie there too, so that what is copied in a step is which of them it shows, and how shifted.
//
// Activations are NHWC, float32 or bfloat16, parameters float32 in the order that users see. The first error
// stays: launches after it do nothing, and Run, Read, Write and Metrics return it.
package cudnn
