package classify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// echo returns each image of one value as its probabilities.
func echo(images []float32) ([]float32, error) { return slices.Clone(images), nil }

// ask adds images of one value and waits for each.
func ask(ctx context.Context, b *batcher, value float32) ([]float32, error) {
	r, err := b.add(ctx, []float32{value}, false)
	if err != nil {
		return nil, err
	}
	return b.wait(r)
}

// Each of many goroutines gets the answer to its own image. They are computed together.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(32, func(images []float32) ([]float32, error) {
			time.Sleep(time.Millisecond)
			return echo(images)
		})
		defer b.close()
		batches := 0
		observe := func(n int) {
			if batches++; n < 1 || n > 32 {
				t.Errorf("a batch of %d images", n)
			}
		}
		b.observe.Store(&observe)
		const count = 1000
		var group sync.WaitGroup
		for i := range count {
			group.Go(func() {
				p, err := ask(t.Context(), b, float32(i))
				if err != nil || len(p) != 1 || p[0] != float32(i) {
					t.Errorf("image %d: %v, %v", i, p, err)
				}
			})
		}
		group.Wait()
		if most := count/32 + 5; batches > most {
			t.Errorf("%d batches of %d images, want %d at most", batches, count, most)
		}
	})
}

// A single image does not wait for others, and several of one caller wait for each other only.
// After a batch of several, one waits for a moment.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(32, echo)
		defer b.close()
		var batches []int
		observe := func(n int) { batches = append(batches, n) }
		b.observe.Store(&observe)
		began := time.Now()
		for range 3 {
			if _, err := ask(t.Context(), b, 1); err != nil {
				t.Error(err)
			}
		}
		const count = 40
		var requests []*request
		for i := range count {
			r, err := b.add(t.Context(), []float32{float32(i)}, i < count-1)
			if err != nil {
				t.Fatal(err)
			}
			requests = append(requests, r)
			synctest.Wait()
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("waited %v", took)
		}
		for i, r := range requests {
			if p, err := b.wait(r); err != nil || p[0] != float32(i) {
				t.Errorf("image %d: %v, %v", i, p, err)
			}
		}
		if took := time.Since(began); took != b.linger || !slices.Equal(batches, []int{1, 1, 1, 32, 8}) {
			t.Errorf("batches %v after %v", batches, took)
		}
	})
}

// A context that ends stops waiting at once, in the batch, in the queue and before the queue.
// Images for which nobody waits are not computed.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var computed atomic.Int32
		b := newBatcher(4, func(images []float32) ([]float32, error) {
			computed.Add(int32(len(images)))
			time.Sleep(time.Hour)
			return echo(images)
		})
		defer b.close()
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		began := time.Now()
		var group sync.WaitGroup
		for range 1 + queueLength + 10 {
			group.Go(func() {
				if _, err := ask(ctx, b, 1); err != gone {
					t.Errorf("error %v", err)
				}
			})
		}
		synctest.Wait()
		if n := len(b.queue); n != queueLength {
			t.Errorf("%d images in the queue", n)
		}
		cancel(gone)
		group.Wait()
		if _, err := ask(ctx, b, 1); err != gone {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("waited %v", took)
		}
		first := computed.Load()
		if p, err := ask(t.Context(), b, 5); err != nil || p[0] != 5 {
			t.Errorf("the next: %v, %v", p, err)
		}
		if n := computed.Load(); first > 4 || n != first+1 {
			t.Errorf("%d images computed, %d before", n, first)
		}
	})
}

// A closed batcher ends all calls, after the current batch.
func TestCloseBatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatcher(1, func(images []float32) ([]float32, error) {
			time.Sleep(time.Second)
			return echo(images)
		})
		var answered, closed atomic.Int32
		var group sync.WaitGroup
		const count = 1 + queueLength + 10
		for range count {
			group.Go(func() {
				switch _, err := ask(t.Context(), b, 1); err {
				case nil:
					answered.Add(1)
				case ErrClosed:
					closed.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		b.close()
		group.Wait()
		if answered.Load() != 1 || closed.Load() != count-1 {
			t.Errorf("%d answered, %d closed", answered.Load(), closed.Load())
		}
		if _, err := ask(t.Context(), b, 1); err != ErrClosed {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A panic is an error of those that wait for its batch, and no other.
func TestPanic(t *testing.T) {
	b := newBatcher(1, func(images []float32) ([]float32, error) {
		if images[0] == 13 {
			panic("thirteen\nof all numbers")
		}
		return echo(images)
	})
	defer b.close()
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			p, err := ask(t.Context(), b, float32(i))
			fault := (*PanicError)(nil)
			switch {
			case i == 13:
				if !errors.As(err, &fault) || err.Error() != "classify: internal error: thirteen" || len(fault.Stack) == 0 {
					t.Errorf("error %v", err)
				}
			case err != nil || p[0] != float32(i):
				t.Errorf("image %d: %v, %v", i, p, err)
			}
		})
	}
	group.Wait()
}
