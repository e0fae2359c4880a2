//go:build cudnn && cgo && linux

package cudnn

// #cgo CFLAGS: -std=gnu11
// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "load.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"
)

// variable is the environment variable with the folders, separated by colons, where libraries are
// looked for first: those that hold them, or a Python environment or site-packages folder into
// which pip installed them.
const variable = "LAMINA_CUDA"

// library is a shared library that is opened at run time.
type library struct {
	id      C.int
	name    string   // libcudnn
	files   []file   // in the order of preference
	before  []string // patterns of what is loaded before it from the same folder, if there
	install string   // what to do if it is missing
}

// file is the name that a version of a library goes by.
type file struct {
	name string
	cuda int // major version of the CUDA that it belongs to; 0 for any
}

var (
	libcuda = library{C.LAMINA_CUDA, "libcuda", []file{{"libcuda.so.1", 0}}, nil,
		"install NVIDIA's driver (Debian: apt install nvidia-driver; Ubuntu: ubuntu-drivers install)"}
	libnvrtc = library{C.LAMINA_NVRTC, "libnvrtc",
		[]file{{"libnvrtc.so.13", 13}, {"libnvrtc.so.12", 12}, {"libnvrtc.so.11.2", 11}, {"libnvrtc.so.11.1", 11}, {"libnvrtc.so.11.0", 11}, {"libnvrtc.so.10.2", 10}, {"libnvrtc.so.10.1", 10}},
		[]string{"libnvrtc-builtins.so.*"},
		"apt install cuda-nvrtc-12-8 (from NVIDIA's repository), or pip install nvidia-cuda-nvrtc-cu12 and set " + variable + " to the Python environment's folder"}
	libcublas = library{C.LAMINA_CUBLAS, "libcublas",
		[]file{{"libcublas.so.13", 13}, {"libcublas.so.12", 12}, {"libcublas.so.11", 11}, {"libcublas.so.10", 10}},
		[]string{"libcublasLt.so.*"},
		"apt install libcublas-12-8 (from NVIDIA's repository), or pip install nvidia-cublas-cu12 and set " + variable + " to the Python environment's folder"}
	libcudnn = library{C.LAMINA_CUDNN, "libcudnn",
		[]file{{"libcudnn.so.9", 0}, {"libcudnn.so.8", 0}, {"libcudnn.so.7", 0}},
		// In the order in which they need each other. Versions 8 and 9 open them by name, wherever
		// that is.
		[]string{"libcudnn_ops.so.9", "libcudnn_graph.so.9", "libcudnn_heuristic.so.9", "libcudnn_engines_runtime_compiled.so.9",
			"libcudnn_engines_precompiled.so.9", "libcudnn_cnn.so.9",
			"libcudnn_ops_infer.so.8", "libcudnn_ops_train.so.8", "libcudnn_cnn_infer.so.8", "libcudnn_cnn_train.so.8"},
		"apt install cudnn9-cuda-12 (from NVIDIA's repository), or pip install nvidia-cudnn-cu12 and set " + variable + " to the Python environment's folder"}
)

// location is where to search for libraries.
type location struct {
	name string // as a message calls it
	dirs []string
	any  bool // wherever the system looks
}

// locations returns where to search for libraries, in this order.
func locations() []location {
	var all []location
	add := func(name string, dirs ...string) {
		if len(dirs) > 0 {
			all = append(all, location{name: name, dirs: dirs})
		}
	}
	add("$"+variable, expand(filepath.SplitList(os.Getenv(variable))...)...)
	add("$LD_LIBRARY_PATH", filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))...)
	all = append(all, location{name: "the system's folders", any: true})
	for _, home := range []string{"CUDA_HOME", "CUDA_PATH"} {
		if dir := os.Getenv(home); dir != "" {
			add("$"+home, filepath.Join(dir, "lib64"), filepath.Join(dir, "lib"))
		}
	}
	for _, python := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		if dir := os.Getenv(python); dir != "" {
			add("$"+python, expand(dir)...)
		}
	}
	add("/usr/local/cuda", "/usr/local/cuda/lib64")
	add("WSL", "/usr/lib/wsl/lib")
	return all
}

// expand returns folders, and those in which pip puts libraries when they are the environment or
// its site-packages.
func expand(dirs ...string) (all []string) {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		all = append(all, dir)
		for _, pattern := range []string{"lib", "*/lib", "nvidia/*/lib", "lib/python3*/site-packages/nvidia/*/lib"} {
			found, _ := filepath.Glob(filepath.Join(dir, pattern))
			all = append(all, found...)
		}
	}
	return all
}

// load opens the library in the first location that has one of its files for at most the given
// major version of CUDA, and sets its functions in the table. It returns the path of the file.
func (l *library) load(api *C.lamina_api, locations []location, cuda int) (path string, err error) {
	var unusable error
	for _, p := range locations {
		dirs := p.dirs
		if p.any {
			dirs = []string{""}
		}
		for _, dir := range dirs {
			for _, f := range l.files {
				if f.cuda > cuda {
					continue
				}
				path := filepath.Join(dir, f.name)
				if _, err := os.Stat(path); err != nil && !p.any {
					continue
				}
				handle, err := l.open(path, dir)
				if err != nil {
					// Of the system's folders one does not know whether the library or another that
					// it needs is missing.
					if unusable == nil && !(p.any && strings.HasPrefix(err.Error(), f.name+": cannot open shared object file")) {
						unusable = fmt.Errorf("cudnn: %s cannot be loaded: %w: %s", path, err, l.install)
					}
					continue
				}
				if missing := C.lamina_bind(api, l.id, handle); missing != nil {
					return "", fmt.Errorf("cudnn: %s has no function %s, so it is too old or too new: %s",
						path, C.GoString(missing), l.install)
				}
				return path, nil
			}
		}
	}
	if unusable != nil {
		return "", unusable
	}
	return "", l.missing(locations, cuda)
}

// open loads a file, and first what it needs from the same folder.
func (l *library) open(path, dir string) (unsafe.Pointer, error) {
	if dir != "" {
		for _, pattern := range l.before {
			found, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, file := range found {
				open(file) // if that fails, so will the library itself, and say why
			}
		}
	}
	return open(path)
}

func open(path string) (unsafe.Pointer, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var message *C.char
	if handle := C.lamina_open(name, &message); handle != nil {
		return handle, nil
	}
	return nil, errors.New(C.GoString(message))
}

// missing returns an error that names the library, the versions found, the locations searched, and
// how to get it.
func (l *library) missing(locations []location, cuda int) error {
	var names, looked, others []string
	for _, f := range l.files {
		if f.cuda <= cuda {
			names = append(names, f.name)
		}
	}
	for _, p := range locations {
		where := p.name
		if len(p.dirs) > 0 && strings.HasPrefix(p.name, "$") {
			where += " (" + p.dirs[0] + ")"
		}
		looked = append(looked, where)
		for _, dir := range p.dirs {
			found, _ := filepath.Glob(filepath.Join(dir, l.name+".so.*"))
			others = append(others, found...)
		}
	}
	if len(others) > 0 {
		return fmt.Errorf("cudnn: %s is too old, or too new for the driver or the card; want %s: %s",
			strings.Join(others, ", "), strings.Join(names, " or "), l.install)
	}
	return fmt.Errorf("cudnn: there is no %s; looked in %s: %s",
		strings.Join(names, " or "), strings.Join(looked, ", "), l.install)
}
