// Package app is a program of a module of its own that carries a model, as other programs do.
// TestOtherModule of package classify copies it and adds the embedded files.
package app

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-go/lamina/classify"
)

//go:embed models images
var files embed.FS

var duration = flag.Duration("duration", 10*time.Second, "of TestConcurrent")

// The growth that counts as level: of the heap after a collection, and of the process. The race
// detector keeps memory for each goroutine, and the system gives pages late.
const (
	heapSlack     = 1 << 20
	residentSlack = 16 << 20
)

// usage is what a process uses at a moment.
type usage struct {
	heap, resident int64
	goroutines     int
}

func measure(t *testing.T) usage {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{heap: int64(m.HeapAlloc), goroutines: runtime.NumGoroutine()}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil { // Linux
		var all, resident int64
		if _, err := fmt.Sscan(string(text), &all, &resident); err != nil {
			t.Fatal(err)
		}
		u.resident = resident * int64(os.Getpagesize())
	}
	return u
}

// checkLevel compares two moments with the same models open.
func checkLevel(t *testing.T, before, after usage) {
	t.Helper()
	t.Logf("heap %d to %d KB, process %d to %d MB, %d goroutines", before.heap>>10, after.heap>>10,
		before.resident>>20, after.resident>>20, after.goroutines)
	if after.heap > before.heap+heapSlack {
		t.Errorf("the heap grows from %d to %d KB", before.heap>>10, after.heap>>10)
	}
	if after.resident > before.resident+residentSlack {
		t.Errorf("the process grows from %d to %d MB", before.resident>>20, after.resident>>20)
	}
	if after.goroutines > before.goroutines {
		t.Errorf("%d goroutines, %d before", after.goroutines, before.goroutines)
	}
}

// images returns the embedded images with the probabilities of their classes.
func images(t *testing.T) (all []image.Image, probabilities [][]float64) {
	t.Helper()
	text, err := files.ReadFile("images/want.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &probabilities); err != nil {
		t.Fatal(err)
	}
	for i := range probabilities {
		data, err := files.ReadFile(fmt.Sprintf("images/%d.png", i))
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, img)
	}
	return all, probabilities
}

// check compares a result with the probabilities of the classes.
func check(r classify.Result, want []float64) error {
	if len(r.Classes) != len(want) {
		return fmt.Errorf("%d classes, want %d", len(r.Classes), len(want))
	}
	for _, c := range r.Classes {
		if !(math.Abs(c.Probability-want[c.Index]) <= 1e-5) {
			return fmt.Errorf("%+v, want %v", c, want[c.Index])
		}
	}
	return nil
}

// Sixteen goroutines classify for a while. Their answers are those of one goroutine, and the memory
// stays level.
func TestConcurrent(t *testing.T) {
	m, err := classify.OpenFS(files, "models/model.keras", classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	pictures, want := images(t)
	for i, img := range pictures {
		results, err := m.Classify(t.Context(), img)
		if err != nil {
			t.Fatal(err)
		}
		if err := check(results[0], want[i]); err != nil {
			t.Errorf("image %d, alone: %v", i, err)
		}
		for _, c := range results[0].Classes {
			want[i][c.Index] = c.Probability
		}
	}
	var classified atomic.Int64
	run := func(length time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		var group sync.WaitGroup
		for g := range 16 {
			group.Go(func() {
				for i := g; ; i++ {
					at, n := i%len(pictures), 1+i%3
					some := pictures[at:min(at+n, len(pictures))]
					results, err := m.Classify(ctx, some...)
					if errors.Is(err, context.DeadlineExceeded) {
						return
					}
					if err != nil || len(results) != len(some) {
						t.Errorf("%d results for %d images: %v", len(results), len(some), err)
						return
					}
					for j, r := range results {
						if err := check(r, want[at+j]); err != nil {
							t.Errorf("image %d, with others: %v", at+j, err)
						}
					}
					classified.Add(int64(len(some)))
				}
			})
		}
		group.Wait()
	}
	run(*duration / 4) // warms up
	before := measure(t)
	run(*duration - *duration/4)
	t.Logf("%d images in %v", classified.Load(), *duration)
	checkLevel(t, before, measure(t))
	if classified.Load() == 0 {
		t.Error("no image was classified")
	}
}

// Opening and closing a model a hundred times leaves no goroutine and no memory.
func TestOpenClose(t *testing.T) {
	pictures, want := images(t)
	openings := func(count int) {
		for i := range count {
			path := []string{"models/model.keras", "models/model.h5", "models/run", "models/model.safetensors"}[i%4]
			m, err := classify.OpenFS(files, path, classify.Options{})
			if err != nil {
				t.Fatal(err)
			}
			results, err := m.Classify(t.Context(), pictures[i%len(pictures)])
			if err == nil {
				err = check(results[0], want[i%len(pictures)])
			}
			if err := errors.Join(err, m.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	openings(10)
	before := measure(t)
	openings(100)
	checkLevel(t, before, measure(t))
}
