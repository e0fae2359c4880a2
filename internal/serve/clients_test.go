package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/picture"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
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
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", predictPath, len(picture))
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			c := dial(t, address, head+string(picture[:i*len(picture)/200]))
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
		c := dial(t, address, head[:20])
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

// TestAnnounced has connections that announce large bodies and send little. Others are answered.
func TestAnnounced(t *testing.T) {
	s := newTestServer(t)
	address, stop := listen(t, s)
	began := time.Now()
	for range 40 {
		c := dial(t, address, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n0123456789", predictPath, maxBody))
		defer c.Close()
	}
	await(t, func() bool { return freeBodies(s) == maxBodies-40*10 })
	postTo(t, address, classifytest.PNG(t, 0), http.StatusOK)
	stop() // does not wait for the rest
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	checkFree(t, s)
}

// TestSlowLose fills the memory of bodies with one that stalls, which loses to another client.
func TestSlowLose(t *testing.T) {
	s := newTestServer(t)
	address, _ := listen(t, s)
	picture := classifytest.PNG(t, 0)
	s.bodies.free = int64(len(picture))
	slow := dial(t, address, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n0123456789", predictPath))
	defer slow.Close()
	await(t, func() bool { return freeBodies(s) == int64(len(picture))-10 })
	postTo(t, address, picture, http.StatusServiceUnavailable) // the other may still be fast
	time.Sleep(patience)
	postTo(t, address, picture, http.StatusOK)
	if answer, err := io.ReadAll(slow); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 408")) {
		t.Errorf("the slow client: %v: %s", err, answer)
	}
	await(t, func() bool { return freeBodies(s) == int64(len(picture)) })
}

// TestUnfinishedHeads has more connections than the limit that send no head. Others are answered.
func TestUnfinishedHeads(t *testing.T) {
	s := newTestServer(t)
	s.connections = 20
	address, _ := listen(t, s)
	var slow []net.Conn
	for range 20 {
		c := dial(t, address, "POST / HT")
		defer c.Close()
		slow = append(slow, c)
	}
	time.Sleep(patience + 100*time.Millisecond)
	for range 3 {
		postTo(t, address, classifytest.PNG(t, 0), http.StatusOK)
	}
	closed := 0
	for _, c := range slow {
		c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
	}
	if closed == 0 || closed > 3 {
		t.Errorf("%d connections closed, want one for each of three at most", closed)
	}
}

// dial opens a connection and sends the start of a request.
func dial(t testing.TB, address, data string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, data)
	return c
}

// postTo sends an image over a connection of its own, and checks the status of the answer.
func postTo(t testing.TB, address string, body []byte, want int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Post("http://"+address+predictPath, "", bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	r.Body.Close()
	if r.StatusCode != want {
		t.Errorf("status %d, want %d", r.StatusCode, want)
	}
}

// TestHost sends requests with hosts that a page of another site could cause.
func TestHost(t *testing.T) {
	loopback, other := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4zero}
	for _, test := range []struct {
		at      net.Addr
		allowed []string
		host    string
		want    bool
	}{
		{loopback, nil, "localhost:8080", true}, {loopback, nil, "LOCALHOST.", true}, {loopback, nil, "a.localhost", true},
		{loopback, nil, "127.0.0.1:8080", true}, {loopback, nil, "127.3.2.1", true}, {loopback, nil, "[::1]:8080", true},
		{loopback, nil, "", true}, {&net.TCPAddr{IP: net.IPv6loopback}, nil, "[::1]", true},
		{loopback, nil, "attacker.example:8080", false}, {loopback, nil, "localhost.attacker.example", false},
		{loopback, nil, "192.168.0.7", false}, {loopback, nil, "notlocalhost", false},
		{loopback, []string{"proxy.example"}, "Proxy.Example:443", true}, {loopback, []string{"proxy.example"}, "x.proxy.example", false},
		{other, nil, "attacker.example", true}, {other, nil, "192.168.0.7:80", true},
		{other, []string{"proxy.example"}, "attacker.example", false}, {other, []string{"proxy.example"}, "192.168.0.7:80", true},
		{other, []string{"proxy.example"}, "proxy.example", true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = test.host
		if err := hostCheck(test.at, test.allowed)(r); (err == nil) != test.want {
			t.Errorf("%q at %v with %q: %v", test.host, test.at, test.allowed, err)
		}
	}
	address, _ := listen(t, newTestServer(t))
	r, err := http.NewRequest("GET", "http://"+address+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "attacker.example"
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	checkProblem(t, response, 403, "attacker.example", "--allow-host")
}

// hold makes batches wait until release is called. held is the number of images in batches so far.
func hold(s *Server) (held *atomic.Int32, release func()) {
	held = new(atomic.Int32)
	gate := make(chan struct{})
	s.model.OnBatch(func(n int) {
		held.Add(int32(n))
		<-gate
	})
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
	await(t, func() bool { return s.waiting.Load() == 2 })
	cancel()
	release()
	group.Wait()
	readAnswer(t, post(h, predictPath, "", bytes.NewReader(picture)))
	if w.Code != 499 || held.Load() != 2 {
		t.Errorf("status %d, want 499; %d images classified, want 2", w.Code, held.Load())
	}
}

// TestManyScans has clients that send a JPEG of many scans of many pixels. Others are answered, and
// the server ends soon.
func TestManyScans(t *testing.T) {
	s := newTestServer(t)
	address, stop := listen(t, s)
	files := picturetest.ManyScans(t, 200)
	began := time.Now()
	var group sync.WaitGroup
	for i := range 2 * len(files) {
		body, want := files[i/2], http.StatusRequestEntityTooLarge
		if i%2 == 0 {
			body, want = classifytest.PNG(t, i%300), http.StatusOK
		}
		group.Go(func() { postTo(t, address, body, want) })
	}
	group.Wait()
	stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	checkFree(t, s)
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
	_, release := hold(s)
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
	await(t, func() bool { return s.waiting.Load() == clients })
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

// A high image takes a share of the pixels for what resizing it needs.
func TestShare(t *testing.T) {
	s := newTestServer(t)
	for _, test := range []struct {
		width, height int
		want          int64
	}{{4000, 3000, 12_000_000}, {1, 1 << 15, 1 << 15 * 32 * 8}, {1 << 15, 1 << 10, maxPixels}} {
		if got := s.share(&picture.Picture{Width: test.width, Height: test.height}); got != test.want {
			t.Errorf("%dx%d: %d, want %d", test.width, test.height, got, test.want)
		}
	}
}
