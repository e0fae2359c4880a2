//go:build cudnn && cgo && linux

package cudnn

// #include <stdlib.h>
// #include "load.h"
import "C"

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"
)

// kernelNames are the kernels in use.
var kernelNames = []string{
	"step_begin", "from_float", "to_float", "swap_axes", "place_images", "copy_channels", "pack_kernel", "unpack_kernel",
	"add_bias", "add_bias_function", "bias_of", "bias_of_function", "column_sums", "function", "function_grad",
	"bn_statistics", "bn_running", "bn_apply", "bn_apply_function", "bn_apply_pool",
	"bn_grad_sums", "bn_grad_sums_function", "bn_grad_sums_pool", "bn_grad", "bn_grad_function", "bn_grad_pool",
	"softmax", "softmax_grad", "dropout", "dropout_grad", "dropout_mask", "dropout_channels",
	"max_pool", "max_pool_grad", "pool", "pool_routes", "pool_grad", "depthwise", "depthwise_grad_data", "depthwise_grad_filter", "add", "add_grad",
	"loss", "loss_grad", "sgd_step", "adamw_step", "penalty", "augment",
}

// kernels are those of the folder kernels, compiled for the card.
type kernels struct {
	module    C.CUmodule
	functions map[string]C.CUfunction
	counters  C.CUdeviceptr // of the sums: each kernel leaves them zero
}

// counters is the number of counters: no kernel has more columns of blocks.
const counters = 1 << 14

// load compiles the kernels, or takes what an earlier run compiled. path is that of libnvrtc.
func (k *kernels) load(b *Backend, path string) error {
	var major, minor C.int
	if err := b.rtc("nvrtcVersion", C.lamina_nvrtcVersion(b.api, &major, &minor)); err != nil {
		return err
	}
	binary := b.api.nvrtcGetCUBIN != nil
	source := kernelSource()
	options := []string{"--std=c++14"}
	if binary {
		options = append(options, fmt.Sprintf("--gpu-architecture=sm_%d", b.card.capability()))
	} else { // the driver compiles the rest
		options = append(options, fmt.Sprintf("--gpu-architecture=compute_%d", b.card.capability()))
	}
	if b.bf16 {
		options = append(options, "-DBF16")
	}
	key := fmt.Sprintf("nvrtc %d.%d %s\n%s", major, minor, strings.Join(options, " "), source)
	cached := cachePath(fmt.Sprintf("kernels-%x.bin", sha256.Sum256([]byte(key))))
	image, err := os.ReadFile(cached)
	if err != nil || k.open(b, image) != nil { // none, or damaged: compile again
		if image, err = b.compile(source, options, binary); err != nil {
			return fmt.Errorf("%w; by %s, version %d.%d: if the card is newer than that, %s",
				err, path, major, minor, libnvrtc.install)
		}
		if err := k.open(b, image); err != nil {
			return err
		}
		store(cached, image)
	}
	k.functions = map[string]C.CUfunction{}
	for _, name := range kernelNames {
		var f C.CUfunction
		text := C.CString(name)
		err := cuda(b, "cuModuleGetFunction "+name, C.lamina_cuModuleGetFunction(b.api, &f, k.module, text))
		C.free(unsafe.Pointer(text))
		if err != nil {
			return err
		}
		k.functions[name] = f
	}
	if k.counters, err = b.alloc(4 * counters); err != nil {
		return err
	}
	return cuda(b, "cuMemsetD8Async", C.lamina_cuMemsetD8Async(b.api, k.counters, 0, 4*counters, b.stream))
}

// open gives a compiled image, which ends with a zero, to the driver.
func (k *kernels) open(b *Backend, image []byte) error {
	if len(image) == 0 {
		return errors.New("cudnn: no compiled kernels")
	}
	return cuda(b, "cuModuleLoadData", C.lamina_cuModuleLoadData(b.api, &k.module, unsafe.Pointer(&image[0])))
}

func (k *kernels) close(b *Backend) {
	if k.module != nil {
		C.lamina_cuModuleUnload(b.api, k.module)
	}
	*k = kernels{}
}

func (b *Backend) rtc(call string, status C.lamina_enum) error {
	return b.failure(C.LAMINA_NVRTC, call, status)
}

// compile returns what NVRTC makes of the source, and a zero.
func (b *Backend) compile(source string, options []string, binary bool) (image []byte, err error) {
	text, name := C.CString(source), C.CString("kernels")
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(name))
	var program C.nvrtcProgram
	if err := b.rtc("nvrtcCreateProgram", C.lamina_nvrtcCreateProgram(b.api, &program, text, name, 0, nil, nil)); err != nil {
		return nil, err
	}
	defer func() { C.lamina_nvrtcDestroyProgram(b.api, &program) }()
	var words [8]*C.char
	for i, o := range options {
		words[i] = C.CString(o)
		defer C.free(unsafe.Pointer(words[i]))
	}
	if err := b.rtc("nvrtcCompileProgram", C.lamina_nvrtcCompileProgram(b.api, program, C.int(len(options)), &words[0])); err != nil {
		return nil, fmt.Errorf("%w: %s", err, b.compileLog(program))
	}
	var size C.size_t
	if binary {
		err = b.rtc("nvrtcGetCUBINSize", C.lamina_nvrtcGetCUBINSize(b.api, program, &size))
	} else {
		err = b.rtc("nvrtcGetPTXSize", C.lamina_nvrtcGetPTXSize(b.api, program, &size))
	}
	if err != nil {
		return nil, err
	}
	image = make([]byte, size+1)
	if at := (*C.char)(unsafe.Pointer(&image[0])); binary {
		err = b.rtc("nvrtcGetCUBIN", C.lamina_nvrtcGetCUBIN(b.api, program, at))
	} else {
		err = b.rtc("nvrtcGetPTX", C.lamina_nvrtcGetPTX(b.api, program, at))
	}
	return image, err
}

// compileLog returns the first line that the compiler wrote.
func (b *Backend) compileLog(program C.nvrtcProgram) string {
	var size C.size_t
	if C.lamina_nvrtcGetProgramLogSize(b.api, program, &size) != C.LAMINA_NVRTC_SUCCESS || size <= 1 {
		return "it says nothing more"
	}
	text := make([]byte, size)
	C.lamina_nvrtcGetProgramLog(b.api, program, (*C.char)(unsafe.Pointer(&text[0])))
	line, _, _ := strings.Cut(strings.TrimSpace(strings.Trim(string(text), "\x00")), "\n")
	return line
}
