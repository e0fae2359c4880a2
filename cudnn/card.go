//go:build cudnn && cgo && linux

package cudnn

// #include "load.h"
import "C"

import (
	"cmp"
	"fmt"
)

// card has the properties of the card.
type card struct {
	name            string
	major, minor    int // compute capability
	cuda            int // highest major version of CUDA that the driver supports
	multiprocessors int // number of them
}

// Oldest compute capabilities: for this program, for CUDA 13 and cuDNN 9.11, and for tensor cores
// with TF32 and bfloat16.
const (
	oldest         = 60
	oldestOfCUDA13 = 75 // CUDA 13, cuDNN 9.11
	ampere         = 80
)

// findCard finds the card and what it and its driver can do.
func (b *Backend) findCard() error {
	const install = "check with nvidia-smi that the driver works and the card is there"
	if status := C.lamina_cuInit(b.api, 0); status == C.LAMINA_CUDA_ERROR_NO_DEVICE {
		return fmt.Errorf("cudnn: the driver finds no NVIDIA card: %s, and that CUDA_VISIBLE_DEVICES does not hide it",
			install)
	} else if err := cuda(b, "cuInit", status); err != nil {
		return fmt.Errorf("%w: %s", err, install)
	}
	var version, count C.int
	err := cmp.Or(
		cuda(b, "cuDriverGetVersion", C.lamina_cuDriverGetVersion(b.api, &version)),
		cuda(b, "cuDeviceGetCount", C.lamina_cuDeviceGetCount(b.api, &count)))
	if err != nil {
		return err
	}
	if count == 0 {
		return fmt.Errorf("cudnn: the driver finds no NVIDIA card: %s, and that CUDA_VISIBLE_DEVICES does not hide it",
			install)
	}
	c := &b.card
	if c.cuda = int(version) / 1000; version < 10010 {
		return fmt.Errorf("cudnn: the driver is of CUDA %d.%d, too old: install one of CUDA 10.1 or later",
			c.cuda, version%1000/10)
	}
	var name [256]C.char
	err = cmp.Or(
		cuda(b, "cuDeviceGet", C.lamina_cuDeviceGet(b.api, &b.device, 0)),
		cuda(b, "cuDeviceGetName", C.lamina_cuDeviceGetName(b.api, &name[0], C.int(len(name)), b.device)))
	if err != nil {
		return err
	}
	c.name = C.GoString(&name[0])
	for _, a := range []struct {
		attribute C.lamina_enum
		value     *int
	}{
		{C.LAMINA_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, &c.major},
		{C.LAMINA_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &c.minor},
		{C.LAMINA_CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &c.multiprocessors},
	} {
		var value C.int
		if err := cuda(b, "cuDeviceGetAttribute", C.lamina_cuDeviceGetAttribute(b.api, &value, a.attribute, b.device)); err != nil {
			return err
		}
		*a.value = int(value)
	}
	if c.capability() < oldest {
		return fmt.Errorf("cudnn: %s has compute capability %d.%d, and this program needs 6.0 (Pascal) or later",
			c.name, c.major, c.minor)
	}
	if b.options.Precision != "fp32" && c.capability() < ampere {
		return fmt.Errorf("cudnn: %s is for cards of compute capability 8.0 (Ampere) and later; %s has %d.%d: use fp32",
			b.options.Precision, c.name, c.major, c.minor)
	}
	if c.capability() < oldestOfCUDA13 {
		c.cuda = min(c.cuda, 12) // CUDA 13 has no code for it
	}
	return nil
}

// capability returns the compute capability times 10.
func (c *card) capability() int { return 10*c.major + c.minor }

// checkVersion returns an error for a cuDNN that this program does not support, or that does not
// support the card.
func (b *Backend) checkVersion(path string) error {
	version := int(C.lamina_cudnnGetVersion(b.api))
	switch {
	case version < 7600:
		return fmt.Errorf("cudnn: %s is version %s, too old: %s", path, b.version(), libcudnn.install)
	case version >= 100000:
		return fmt.Errorf("cudnn: %s is version %s, too new: want 7.6 to 9: %s", path, b.version(), libcudnn.install)
	case version >= 91100 && b.card.capability() < oldestOfCUDA13:
		return fmt.Errorf("cudnn: %s is version %s, which no longer supports %s (compute capability %d.%d): install 9.10 (pip install 'nvidia-cudnn-cu12<9.11')",
			path, b.version(), b.card.name, b.card.major, b.card.minor)
	}
	return nil
}

// version returns cuDNN's: "9.10.2" for 91002 and "8.9.7" for 8907.
func (b *Backend) version() string {
	v, major := int(C.lamina_cudnnGetVersion(b.api)), 10000
	if v < 90000 {
		major = 1000
	}
	return fmt.Sprintf("%d.%d.%d", v/major, v%major/100, v%100)
}
