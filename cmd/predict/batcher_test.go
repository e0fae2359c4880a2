package main

import (
	"bytes"
	"testing"
	"time"
)

// TestAlone asks a server that could wait for long: a picture without company does not wait, those that
// follow several do.
func TestAlone(t *testing.T) {
	s := newTestServer(t)
	s.batcher.linger = time.Hour
	h := s.handler()
	for i := range 3 {
		readAnswer(t, post(h, predictPath, "", bytes.NewReader(pngOf(t, shape(i)))))
	}
	for n, want := range map[int]int{1: 1, 2: smallBatch, smallBatch: smallBatch, smallBatch + 1: serverBatch, serverBatch: serverBatch} {
		if got := padded(n); got != want {
			t.Errorf("%d images are computed as %d, want %d", n, got, want)
		}
	}
}
