//go:build cudnn && cgo && linux

// Package emulator runs the CUDA kernels of package cudnn on the CPU, and compiles them for cards,
// for tests: testdata/emulator.cpp compiles the files of kernels as C++.
package emulator

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdlib.h>
//
// static int launch(void *f, const char *name, const unsigned *grid, const unsigned *block, void **args) {
// 	return ((int (*)(const char *, const unsigned *, const unsigned *, void **))f)(name, grid, block, args);
// }
import "C"

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"unsafe"
)

// Library is the compiled emulator.
type Library struct{ launch unsafe.Pointer }

// Compile compiles the emulator, whose source is in the folder source, to a shared library.
func Compile(library, source string) error {
	// The order of operations is that of the source, as on a card: no product is fused with a sum.
	out, err := exec.Command("g++", "-std=c++17", "-O2", "-ffp-contract=off", "-fno-strict-aliasing", "-shared", "-fPIC",
		"-Wall", "-Wno-unknown-pragmas", "-Wno-sign-compare", "-Werror",
		"-o", library, filepath.Join(source, "emulator.cpp")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("g++: %w\n%s", err, out)
	}
	return nil
}

// Open loads a library that Compile made.
func Open(library string) (*Library, error) {
	name := C.CString(library)
	defer C.free(unsafe.Pointer(name))
	handle := C.dlopen(name, C.RTLD_NOW|C.RTLD_LOCAL)
	if handle == nil {
		return nil, fmt.Errorf("%s: %s", library, C.GoString(C.dlerror()))
	}
	symbol := C.CString("lamina_launch")
	defer C.free(unsafe.Pointer(symbol))
	launch := C.dlsym(handle, symbol)
	if launch == nil {
		return nil, fmt.Errorf("%s: %s", library, C.GoString(C.dlerror()))
	}
	return &Library{launch}, nil
}

// Launch runs a kernel, named as in its file and then _f32 or _bf16. An argument is a number of the
// size that the kernel takes, or a slice, of which the kernel gets the address; nil is the null
// pointer.
func (l *Library) Launch(name string, grid, block [3]uint32, args ...any) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	values := unsafe.Slice((*uint64)(C.calloc(C.size_t(len(args)+1), 8)), len(args)+1)
	pointers := unsafe.Slice((*unsafe.Pointer)(C.calloc(C.size_t(len(args)+1), 8)), len(args)+1)
	defer C.free(unsafe.Pointer(&values[0]))
	defer C.free(unsafe.Pointer(&pointers[0]))
	for i, arg := range args {
		pointers[i] = unsafe.Pointer(&values[i])
		switch v := reflect.ValueOf(arg); v.Kind() {
		case reflect.Slice:
			pin.Pin(v.UnsafePointer())
			*(*unsafe.Pointer)(pointers[i]) = v.UnsafePointer()
		case reflect.Float32:
			values[i] = uint64(math.Float32bits(float32(v.Float())))
		case reflect.Int32, reflect.Int64:
			values[i] = uint64(v.Int())
		case reflect.Uint32, reflect.Uint64:
			values[i] = v.Uint()
		case reflect.Invalid: // nil
		default:
			return fmt.Errorf("%s: argument %d is of type %T", name, i, arg)
		}
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	switch status := C.launch(l.launch, cname, (*C.uint)(&grid[0]), (*C.uint)(&block[0]), &pointers[0]); status {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s: no such kernel in emulator.cpp", name)
	case 2:
		return fmt.Errorf("%s: some threads of a block missed a barrier", name)
	default:
		return fmt.Errorf("%s: status %d", name, status)
	}
}
