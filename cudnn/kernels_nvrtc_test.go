//go:build cudnn && cgo && linux

package cudnn

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/cudnn/emulator"
)

// deprecated is what NVRTC says of architectures that a later version will not know.
var deprecated = regexp.MustCompile(`nvrtc: warning: Architectures prior to .* are deprecated.*\n*`)

// TestKernelsCompile compiles the kernels for cards from Pascal to Blackwell, without a warning. It
// needs no card.
func TestKernelsCompile(t *testing.T) {
	var found []string
	for _, dir := range filepath.SplitList(os.Getenv("LAMINA_CUDA")) {
		for _, pattern := range []string{"", "cuda_nvrtc/lib", "nvidia/cuda_nvrtc/lib", "lib/python3*/site-packages/nvidia/cuda_nvrtc/lib"} {
			files, _ := filepath.Glob(filepath.Join(dir, pattern, "libnvrtc.so.12")) // 13 no longer knows Pascal
			found = append(found, files...)
		}
	}
	if len(found) == 0 {
		t.Skip("no libnvrtc.so.12: pip install nvidia-cuda-nvrtc-cu12==12.8.93, and set LAMINA_CUDA to the Python environment's folder")
	}
	for _, architecture := range []string{"sm_60", "sm_70", "sm_80", "sm_90", "sm_100"} {
		for _, options := range []string{"", " -DBF16"} {
			t.Run(architecture+options, func(t *testing.T) {
				all := strings.Fields("--std=c++14 --gpu-architecture=" + architecture + options)
				size, log, err := emulator.NVRTC(found[0], kernelSource(), all...)
				if log = deprecated.ReplaceAllString(log, ""); err != nil || size == 0 || strings.TrimSpace(log) != "" {
					t.Errorf("%d bytes of code, error %v, and it says:\n%s", size, err, log)
				}
			})
		}
	}
}
