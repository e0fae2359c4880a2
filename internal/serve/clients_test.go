package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/classify/classifytest"
)

// TestManyConnections has 200 clients at once, each of which must get the classes of its own
// picture.
func TestManyConnections(t *testing.T) {
	const clients = 200
	s, want := newTestServer(t), classifytest.Probabilities(t, 0, clients)
	address, _ := listen(t, s)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for range 3 {
				r, err := client.Post("http://"+address+predictPath, "image/png", bytes.NewReader(classifytest.PNG(t, i)))
				if err != nil {
					t.Error(err)
					return
				}
				var a answer
				err = json.NewDecoder(r.Body).Decode(&a)
				r.Body.Close()
				if err != nil || r.StatusCode != 200 || len(a.Pictures) != 1 {
					t.Errorf("status %d, %v", r.StatusCode, err)
					return
				}
				classifytest.Check(t, a.Pictures[0].Classes, 3, want[i])
			}
		})
	}
	group.Wait()
	checkFree(t, s)
}

// TestSlowAndCut has clients that send the start of a request, and then stall or disconnect.
func TestSlowAndCut(t *testing.T) {
	s := newTestServer(t)
	s.timeouts.head, s.timeouts.body = 200*time.Millisecond, 300*time.Millisecond
	address, _ := listen(t, s)
	picture := classifytest.PNG(t, 0)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", predictPath, len(picture))
	dial := func(data string) net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, data)
		return c
	}
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			c := dial(head + string(picture[:i*len(picture)/200]))
			if i%3 == 0 {
				c.(*net.TCPConn).SetLinger(0) // a reset
			}
			if i%3 != 2 { // the others stay
				c.Close()
				return
			}
			defer c.Close()
			answer, err := io.ReadAll(c)
			if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 408")) || !bytes.Contains(answer, []byte("too slowly")) {
				t.Errorf("%v: %s", err, answer)
			}
		})
	}
	group.Go(func() { // one that stalls in the head
		c := dial(head[:20])
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("the connection is still open: %v", err)
		}
	})
	group.Wait()
	checkFree(t, s)
	readAnswer(t, post(s.handler(), predictPath, "", bytes.NewReader(picture)))
}

// hold makes batches wait until release is called. held is the number of images in batches so far.
func hold(s *Server) (held *atomic.Int32, release func()) {
	held = new(atomic.Int32)
	gate := make(chan struct{})
	s.batcher.observe = func(n int) {
		held.Add(int32(n))
		<-gate
	}
	return held, sync.OnceFunc(func() { close(gate) })
}

// TestGone has a client that disconnects while its image waits, which is then not classified.
func TestGone(t *testing.T) {
	s := newTestServer(t)
	held, release := hold(s)
	defer release()
	h, picture := s.handler(), classifytest.PNG(t, 0)
	var group sync.WaitGroup
	group.Go(func() { readAnswer(t, post(h, predictPath, "", bytes.NewReader(picture))) })
	await(t, func() bool { return held.Load() == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	w := httptest.NewRecorder()
	group.Go(func() {
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", predictPath, bytes.NewReader(picture)))
	})
	await(t, func() bool { return len(s.batcher.queue) == 1 })
	cancel()
	release()
	group.Wait()
	readAnswer(t, post(h, predictPath, "", bytes.NewReader(picture)))
	if w.Code != 499 || held.Load() != 2 {
		t.Errorf("status %d, want 499; %d images classified, want 2", w.Code, held.Load())
	}
}

func await(t testing.TB, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("timeout")
		}
	}
}

// TestShutdown stops a server that has requests in its queue, all of which are answered.
func TestShutdown(t *testing.T) {
	const clients = 100
	s, want := newTestServer(t), classifytest.Probabilities(t, 0, clients)
	held, release := hold(s)
	defer release()
	address, stop := listen(t, s)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			r, err := http.Post("http://"+address+predictPath, "image/png", bytes.NewReader(classifytest.PNG(t, i)))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			var a answer
			if err := json.NewDecoder(r.Body).Decode(&a); err != nil || r.StatusCode != 200 {
				t.Errorf("status %d, %v", r.StatusCode, err)
				return
			}
			classifytest.Check(t, a.Pictures[0].Classes, 3, want[i])
		})
	}
	await(t, func() bool { return int(held.Load())+len(s.batcher.queue) == clients })
	group.Go(stop)
	await(t, func() bool { // until the port is closed
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	release()
	group.Wait()
}
