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

// TestKernelsCompile compiles the kernels for cards from Pascal to Blackwell, without a warning, by
// each NVRTC in LAMINA_CUDA. It needs no card.
func TestKernelsCompile(t *testing.T) {
	for _, nvrtc := range []struct{ library, packages, architectures string }{
		{"libnvrtc.so.12", "nvidia-cuda-nvrtc-cu12==12.8.93", "sm_60 sm_70 sm_80 sm_90 sm_100"},
		{"libnvrtc.so.13", "nvidia-cuda-nvrtc==13.0.88", "sm_75 sm_80 sm_90 sm_100 sm_120"},
	} {
		t.Run(nvrtc.library, func(t *testing.T) {
			var found []string
			for _, dir := range expand(filepath.SplitList(os.Getenv(variable))...) {
				files, _ := filepath.Glob(filepath.Join(dir, nvrtc.library))
				found = append(found, files...)
			}
			if len(found) == 0 {
				t.Skipf("no %s: pip install %s, and set %s to the Python environment's folder", nvrtc.library, nvrtc.packages, variable)
			}
			// Version 13 finds its builtins only if they are loaded, as the program does.
			builtins, _ := filepath.Glob(filepath.Join(filepath.Dir(found[0]), libnvrtc.before[0]))
			for _, file := range builtins {
				if _, err := open(file); err != nil {
					t.Fatal(err)
				}
			}
			for _, architecture := range strings.Fields(nvrtc.architectures) {
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
		})
	}
}
