//go:build !cudnn

package device

import (
	"errors"

	"github.com/lamina-go/lamina/backend"
)

// openCuDNN opens the graphics processor, where the program was built for it.
func openCuDNN(*Options) (backend.Backend, error) {
	return nil, errors.New("--backend cudnn: this program was built without it, use --backend cpu")
}
