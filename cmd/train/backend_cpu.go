package main

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
	"github.com/lamina-go/lamina/ops"
)

// openCPU opens the processor. Whatever --conv-algo says, it computes convolutions as products of
// matrices, without an im2col matrix in memory.
func openCPU(s *settings) (backend.Backend, error) {
	level, err := ops.Best()
	if err != nil {
		return nil, err
	}
	return cpu.Open(cpu.Options{Threads: s.Threads, Level: level})
}
