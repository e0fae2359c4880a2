//go:build !linux && !noasm

package ops

import "errors"

func requestAMX() error { return errors.New("AMX is asked for on Linux only") }
