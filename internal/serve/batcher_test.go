package serve

import (
	"bytes"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/classify/classifytest"
)

// TestAlone sends single images to a server that would wait long for others. It must not wait.
func TestAlone(t *testing.T) {
	s := newTestServer(t)
	s.batcher.linger = time.Hour
	h := s.handler()
	for i := range 3 {
		readAnswer(t, post(h, predictPath, "", bytes.NewReader(classifytest.PNG(t, i))))
	}
}
