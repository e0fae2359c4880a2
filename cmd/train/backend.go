package main

import (
	"errors"

	"github.com/lamina-go/lamina/backend"
)

// openBackend opens what computes. "auto" is the best there is in this build.
func openBackend(s *settings) (backend.Backend, error) {
	if s.Backend == "cudnn" {
		return nil, errors.New("--backend cudnn: this program was built without it, use --backend cpu")
	}
	return openCPU(s)
}
