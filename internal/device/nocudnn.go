//go:build !(cudnn && cgo && linux)

package device

import "github.com/lamina-go/lamina/backend"

// openCuDNN reports that this program was built without the cuDNN backend.
func openCuDNN(*Options, map[string]string) (backend.Backend, error) { return nil, errNotBuilt }
