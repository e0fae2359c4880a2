package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
	"github.com/lamina-go/lamina/internal/sample"
	"github.com/lamina-go/lamina/nn"
)

func TestMain(m *testing.M) {
	code := m.Run()
	classifytest.Remove()
	os.Exit(code)
}

// newTestServer returns a server of the small model.
func newTestServer(t testing.TB) *Server {
	t.Helper()
	m, err := classify.Open(classifytest.Run(t), classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return serverOf(t, m)
}

func serverOf(t testing.TB, m *classify.Model) *Server {
	t.Helper()
	samples, err := sample.Read(classifytest.Run(t), 10)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(m, Options{Top: 3, Samples: samples})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return s
}

// listen serves at an address until the test ends. The server must end without an error.
func listen(t testing.TB, s *Server) (address string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return listener.Addr().String(), stop
}

// post sends a body to a handler.
func post(h http.Handler, url, contentType string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, url, body)
	r.Host = "localhost"
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// form returns a form of files, by their names, and its type.
func form(t testing.TB, names []string, files ...[]byte) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i, data := range files {
		part, err := w.CreateFormFile("picture", names[i])
		if err != nil {
			t.Fatal(err)
		}
		part.Write(data)
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// readAnswer reads the answer to a successful request.
func readAnswer(t testing.TB, w *httptest.ResponseRecorder) answer {
	t.Helper()
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	return a
}

func TestServerClassifies(t *testing.T) {
	h, want := newTestServer(t).handler(), classifytest.Probabilities(t, 0, 3)
	for _, contentType := range []string{"", "image/png", "application/x-www-form-urlencoded"} {
		a := readAnswer(t, post(h, predictPath, contentType, bytes.NewReader(classifytest.PNG(t, 0))))
		if len(a.Pictures) != 1 || a.Model == "" {
			t.Fatalf("%+v", a)
		}
		classifytest.Check(t, a.Pictures[0].Classes, 3, want[0])
	}
	body, contentType := form(t, []string{"a.png", "b.txt", "c.png"}, classifytest.PNG(t, 1), []byte("hello"),
		classifytest.PNG(t, 2))
	a := readAnswer(t, post(h, predictPath+"?top=10", contentType, bytes.NewReader(body)))
	if len(a.Pictures) != 3 || a.Pictures[0].Name != "a.png" || a.Pictures[1].Name != "b.txt" {
		t.Fatalf("%+v", a)
	}
	classifytest.Check(t, a.Pictures[0].Classes, 10, want[1])
	classifytest.Check(t, a.Pictures[2].Classes, 10, want[2])
	if p := a.Pictures[1]; p.Classes != nil || !strings.Contains(p.Error, "not an image") {
		t.Errorf("%+v", p)
	}
}

// endless is an infinite body.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestBadRequests(t *testing.T) {
	s := newTestServer(t)
	h := s.handler()
	picture := classifytest.PNG(t, 0)
	animation, err := os.ReadFile("../picture/testdata/pictures/animated.webp")
	if err != nil {
		t.Fatal(err)
	}
	scans, err := os.ReadFile("../picture/testdata/hostile/refine200.jpg")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.NewReader("P6\n1 1\n255\nrgb")
	many, manyType := form(t, slices.Repeat([]string{"x"}, maxImages+1), slices.Repeat([][]byte{picture}, maxImages+1)...)
	none, noneType := form(t, nil)
	bad, badType := form(t, []string{"a", "b"}, []byte("hello"), picture[:50])
	short, shortType := form(t, []string{"a"}, picture)
	for _, test := range []struct {
		name, method, url, contentType string
		body                           io.Reader
		status                         int
		words                          []string
	}{
		{"text", "POST", predictPath, "text/plain", strings.NewReader("hello"), 415, []string{"not an image"}},
		{"another format", "POST", predictPath, "image/x-portable-pixmap", other, 415,
			[]string{"PNG, JPEG, WebP, GIF, BMP or TIFF"}},
		{"nothing", "POST", predictPath, "image/png", nil, 400, []string{"empty"}},
		{"half an image", "POST", predictPath, "image/png", bytes.NewReader(picture[:len(picture)/2]), 400,
			[]string{"does not decode"}},
		{"animated WebP", "POST", predictPath, "image/webp", bytes.NewReader(animation), 415,
			[]string{"animated", "PNG"}},
		{"decompression bomb", "POST", predictPath, "image/png",
			bytes.NewReader(picturetest.Bomb(t, 50_000, 50_000)), 413, []string{"50000x50000", "too large"}},
		{"JPEG of many scans", "POST", predictPath, "image/jpeg", bytes.NewReader(scans), 413,
			[]string{"scans", "too large"}},
		{"large body", "POST", predictPath, "image/png", bytes.NewReader(make([]byte, maxBody+1)), 413,
			[]string{"16 MB"}},
		{"endless body", "POST", predictPath, "image/png", endless{}, 413, []string{"16 MB"}},
		{"endless form", "POST", predictPath, manyType,
			io.MultiReader(bytes.NewReader(many[:200]), endless{}), 413, []string{"16 MB"}},
		{"many images", "POST", predictPath, manyType, bytes.NewReader(many), 413, []string{"256"}},
		{"form without images", "POST", predictPath, noneType, bytes.NewReader(none), 400, []string{"no images"}},
		{"form of bad images", "POST", predictPath, badType, bytes.NewReader(bad), 415, []string{"not an image"}},
		{"form without boundary", "POST", predictPath, "multipart/form-data", bytes.NewReader(short), 400,
			[]string{"boundary"}},
		{"form cut off", "POST", predictPath, shortType, bytes.NewReader(short[:len(short)-50]), 400,
			[]string{"cut off"}},
		{"form cut off in its last boundary", "POST", predictPath, shortType,
			bytes.NewReader(short[:len(short)-4]), 400, []string{"cut off"}},
		{"form that is none", "POST", predictPath, shortType, bytes.NewReader(picture), 400, []string{"form"}},
		{"top that is no number", "POST", predictPath + "?top=many", "image/png", bytes.NewReader(picture),
			400, []string{"top=many"}},
		{"top below 1", "POST", predictPath + "?top=0", "image/png", bytes.NewReader(picture), 400, []string{"top=0"}},
		{"GET", "GET", predictPath, "", nil, 405, []string{"POST"}},
		{"image for the page", "POST", "/", "image/png", bytes.NewReader(picture), 405, []string{"GET"}},
		{"DELETE", "DELETE", "/", "", nil, 405, []string{"GET"}},
		{"no such path", "GET", "/v2/predict", "", nil, 404, []string{"/v2/predict", predictPath}},
		{"image for no such path", "POST", "/v2/predict", "image/png", bytes.NewReader(picture), 404,
			[]string{"/v2/predict", predictPath}},
		{"path of a file", "GET", "/page/index.html", "", nil, 404, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.url, test.body)
			r.Header.Set("Content-Type", test.contentType)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			checkProblem(t, w.Result(), test.status, test.words...)
		})
	}
	t.Run("page of another site", func(t *testing.T) {
		r := httptest.NewRequest("POST", predictPath, bytes.NewReader(picture))
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		checkProblem(t, w.Result(), 403, "another site")
	})
	checkFree(t, s)
	readAnswer(t, post(h, predictPath, "", bytes.NewReader(picture))) // it still works
}

// checkProblem checks an answer that says what is wrong.
func checkProblem(t testing.TB, r *http.Response, status int, words ...string) {
	t.Helper()
	text, _ := io.ReadAll(r.Body)
	r.Body.Close()
	var a struct{ Error string }
	if err := json.Unmarshal(text, &a); err != nil || r.StatusCode != status || r.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, want %d, %s, %v: %s", r.StatusCode, status, r.Header.Get("Content-Type"), err, text)
	}
	for _, word := range words {
		if !strings.Contains(a.Error, word) {
			t.Errorf("%q is not in %q", word, a.Error)
		}
	}
	if a.Error == "" || strings.Contains(a.Error, "\n") {
		t.Errorf("error %q, want a sentence", a.Error)
	}
	if status == 503 && r.Header.Get("Retry-After") == "" || status == 405 && r.Header.Get("Allow") == "" {
		t.Errorf("headers %v", r.Header)
	}
	checkHeaders(t, r.Header)
}

func checkHeaders(t testing.TB, h http.Header) {
	t.Helper()
	if h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", h)
	}
}

// checkFree checks that no request holds a share of the limits on bodies and pixels.
func checkFree(t testing.TB, s *Server) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); freeBodies(s) != maxBodies; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a finished request holds a share of the bodies")
		}
	}
	if !s.pixels.TryAcquire(maxPixels) {
		t.Fatal("a finished request holds a share of the pixels")
	}
	s.pixels.Release(maxPixels)
}

func freeBodies(s *Server) int64 {
	s.bodies.mu.Lock()
	defer s.bodies.mu.Unlock()
	return s.bodies.free
}

func TestPage(t *testing.T) {
	h := newTestServer(t).handler()
	for path, kind := range map[string]string{"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript",
		"/icon.svg": "image/svg+xml", "/samples/0": "image/png", "/samples/9": "image/png",
		"/healthz": "application/json", "/metrics": "text/plain"} {
		for _, method := range []string{"GET", "HEAD"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Body.Len() == 0 {
				t.Errorf("%s: status %d, %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
			}
			checkHeaders(t, w.Header())
		}
	}
}

// TestSamples offers samples if there are some.
func TestSamples(t *testing.T) {
	m, err := classify.Open(classifytest.Run(t), classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	without, err := New(m, Options{Top: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, test := range []struct {
		s    *Server
		want int
	}{{newTestServer(t), 200}, {without, 404}} {
		h, w := test.s.handler(), httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/samples/0", nil))
		if w.Code != test.want {
			t.Errorf("status %d of a sample, want %d", w.Code, test.want)
		}
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if page := w.Body.String(); strings.Contains(page, "Or try one of these") != (test.want == 200) || !strings.Contains(page, "Drop images here") {
			t.Errorf("a page with the wrong samples:\n%s", page)
		}
	}
}

func TestMetrics(t *testing.T) {
	h := newTestServer(t).handler()
	for range 3 {
		post(h, predictPath, "", bytes.NewReader(classifytest.PNG(t, 0)))
	}
	post(h, predictPath, "", strings.NewReader("hello"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`lamina_pictures_total{result="classified"} 3`, `lamina_pictures_total{result="rejected"} 1`,
		`lamina_requests_total{path="/v1/predict",status="200"} 3`,
		`lamina_requests_total{path="/v1/predict",status="415"} 1`,
		"lamina_predict_seconds_count 3", "lamina_batch_pictures_sum 3", "lamina_queue_pictures 0",
		"# TYPE lamina_predict_seconds histogram",
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("%q is not in\n%s", line, w.Body)
		}
	}
}

// TestDiverged asks a model whose weights are NaN.
func TestDiverged(t *testing.T) {
	network, err := nn.Build(classifytest.Small(32, 32))
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.NewModel(classifytest.OpenCPU(t), network)
	if err != nil {
		t.Fatal(err)
	}
	weight := network.Weights[0]
	if err := m.Set(weight.Name, slices.Repeat([]float32{float32(math.NaN())}, weight.Shape.Size())); err != nil {
		t.Fatal(err)
	}
	known, err := classify.New(m, "diverged", classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkProblem(t, post(serverOf(t, known).handler(), predictPath, "",
		bytes.NewReader(classifytest.PNG(t, 0))).Result(),
		500, "diverged")
}

// TestPanic has a batch that panics. The server goes on, and says that something is wrong.
func TestPanic(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	s := newTestServer(t)
	h, picture := s.handler(), classifytest.PNG(t, 0)
	s.model.OnBatch(func(int) { panic("fault") })
	checkProblem(t, post(h, predictPath, "", bytes.NewReader(picture)).Result(), 500, "internal error", "fault")
	s.model.OnBatch(func(int) {})
	readAnswer(t, post(h, predictPath, "", bytes.NewReader(picture)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	checkProblem(t, w.Result(), 500, "internal error")
}

// TestBusy sends images while a batch takes long, and while too many wait.
func TestBusy(t *testing.T) {
	s := newTestServer(t)
	s.timeouts.body, s.timeouts.answer = 25*time.Millisecond, 25*time.Millisecond
	_, release := hold(s)
	defer release()
	h := s.handler()
	checkProblem(t, post(h, predictPath, "", bytes.NewReader(classifytest.PNG(t, 0))).Result(), 503, "waited")
	await(t, func() bool { return s.waiting.Load() == 0 })
	s.maxWaiting = 0
	checkProblem(t, post(h, predictPath, "", bytes.NewReader(classifytest.PNG(t, 0))).Result(), 503, "queue is full")
	checkFree(t, s)
	s.bodies.free = 0
	checkProblem(t, post(h, predictPath, "", bytes.NewReader(classifytest.PNG(t, 0))).Result(), 503, "busy")
	s.bodies.free = maxBodies
}
