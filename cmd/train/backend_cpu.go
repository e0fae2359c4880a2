package main

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
)

// openCPU opens the processor. Whatever --conv-algo says, it computes convolutions as products of
// matrices, without an im2col matrix in memory.
func openCPU(s *settings) (backend.Backend, error) {
	return cpu.Open(cpu.Options{Threads: s.Threads})
}
