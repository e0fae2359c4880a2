//go:build !linux && !noasm

package ops

import "errors"

func requestAMX() error { return errors.New("AMX is supported on Linux only") }
