package main

import (
	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/backend/cpu"
)

// openCPU opens the processor.
func openCPU(s *settings) (backend.Backend, error) {
	return cpu.Open(cpu.Options{Threads: s.Threads, BF16: s.Precision == "bf16", Conv: s.ConvAlgo})
}
