//go:build !noasm

package ops

import (
	"testing"

	"github.com/klauspost/cpuid/v2"
)

func TestAskAMX(t *testing.T) {
	if has, err := askAMX(false); has || err != nil {
		t.Errorf("of a processor without it: %v, %v", has, err)
	}
	has, err := askAMX(true)
	if has != (err == nil) {
		t.Errorf("%v, with error %v", has, err)
	}
	if has && !cpuid.CPU.Supports(cpuid.AMXTILE) {
		t.Error("the system allows what the processor lacks")
	}
}
