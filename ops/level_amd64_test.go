//go:build !noasm

package ops

import (
	"testing"

	"github.com/klauspost/cpuid/v2"
)

func TestDetectAMX(t *testing.T) {
	if has, err := detectAMX(false); has || err != nil {
		t.Errorf("without the processor: %v, %v", has, err)
	}
	has, err := detectAMX(true)
	if has != (err == nil) {
		t.Errorf("%v, with error %v", has, err)
	}
	if has && !cpuid.CPU.Supports(cpuid.AMXTILE) {
		t.Error("the system permits AMX, which the processor lacks")
	}
}
