//go:build !(cudnn && cgo && linux)

package device

import "github.com/lamina-go/lamina/backend"

// openCuDNN opens the graphics processor, where the program was built for it.
func openCuDNN(*Options, map[string]string) (backend.Backend, error) { return nil, errNotBuilt }
