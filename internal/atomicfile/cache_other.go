//go:build !linux

package atomicfile

import "os"

func dropCache(*os.File) {}
