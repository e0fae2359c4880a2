//go:build cudnn && cgo && linux

package cudnn

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed kernels/*.cu
var kernelFiles embed.FS

// kernelSource returns the program of all kernels, for NVRTC: kernels/common.cu begins with the
// options it wants and what the kernels of the other files have in common.
func kernelSource() string {
	var s strings.Builder
	for _, name := range []string{"common", "function", "layout", "bias", "batchnorm", "activation", "pool", "depthwise", "merge", "training", "augment"} {
		name += ".cu"
		text, err := kernelFiles.ReadFile("kernels/" + name)
		if err != nil {
			panic(err) // not of this program
		}
		fmt.Fprintf(&s, "#line 1 \"%s\"\n%s", name, text)
	}
	return s.String()
}
