package serve

import (
	"bytes"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/classify/classifytest"
)

// TestAlone asks a server that could wait for long: a picture without company does not wait, those that
// follow several do.
func TestAlone(t *testing.T) {
	s := newTestServer(t)
	s.batcher.linger = time.Hour
	h := s.Handler()
	for i := range 3 {
		readAnswer(t, post(h, predictPath, "", bytes.NewReader(classifytest.PNG(t, i))))
	}
}
