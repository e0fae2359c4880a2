package backendtest

import (
	"testing"

	"github.com/lamina-go/lamina/backend"
)

func open(*testing.T) backend.Backend { return Reference() }

func TestReference(t *testing.T) { Run(t, open, Options{}) }

func TestGoldenReference(t *testing.T) { Golden(t, open) }
