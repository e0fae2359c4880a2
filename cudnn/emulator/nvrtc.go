//go:build cudnn && cgo && linux

package emulator

// #include <dlfcn.h>
// #include <stdlib.h>
//
// typedef void *program;
//
// // compile returns the status of the first call to fail, and in log and size what the compiler
// // wrote and made.
// static int compile(void *nvrtc, const char *source, int count, const char *const *options, char **log, size_t *size) {
// 	int (*create)(program *, const char *, const char *, int, const char *const *, const char *const *) = dlsym(nvrtc, "nvrtcCreateProgram");
// 	int (*compile)(program, int, const char *const *) = dlsym(nvrtc, "nvrtcCompileProgram");
// 	int (*log_size)(program, size_t *) = dlsym(nvrtc, "nvrtcGetProgramLogSize");
// 	int (*get_log)(program, char *) = dlsym(nvrtc, "nvrtcGetProgramLog");
// 	int (*code_size)(program, size_t *) = dlsym(nvrtc, "nvrtcGetCUBINSize");
// 	int (*destroy)(program *) = dlsym(nvrtc, "nvrtcDestroyProgram");
// 	if (!create || !compile || !log_size || !get_log || !code_size || !destroy) return -1;
// 	program p;
// 	int status = create(&p, source, "kernels", 0, NULL, NULL);
// 	if (status) return status;
// 	status = compile(p, count, options);
// 	size_t n = 0;
// 	if (log_size(p, &n) == 0 && (*log = calloc(n + 1, 1))) get_log(p, *log);
// 	if (!status) status = code_size(p, size);
// 	destroy(&p);
// 	return status;
// }
import "C"

import (
	"fmt"
	"unsafe"
)

// NVRTC compiles a program as a card would run it. It returns the size of the code, and what the
// compiler wrote.
func NVRTC(library, source string, options ...string) (size int, log string, err error) {
	name, text := C.CString(library), C.CString(source)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(text))
	handle := C.dlopen(name, C.RTLD_NOW|C.RTLD_LOCAL)
	if handle == nil {
		return 0, "", fmt.Errorf("%s: %s", library, C.GoString(C.dlerror()))
	}
	words := unsafe.Slice((**C.char)(C.calloc(C.size_t(len(options)+1), 8)), len(options)+1)
	defer C.free(unsafe.Pointer(&words[0]))
	for i, o := range options {
		words[i] = C.CString(o)
		defer C.free(unsafe.Pointer(words[i]))
	}
	var written *C.char
	var bytes C.size_t
	status := C.compile(handle, text, C.int(len(options)), &words[0], &written, &bytes)
	defer C.free(unsafe.Pointer(written))
	if log = C.GoString(written); status != 0 {
		err = fmt.Errorf("%s: status %d", library, status)
	}
	return int(bytes), log, err
}
