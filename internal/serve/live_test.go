package serve

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/report"
)

// listenLive serves a page that changes until stop or the end of the test.
func listenLive(t *testing.T, l *Live) (url string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(ctx, listener) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return "http://" + listener.Addr().String(), stop
}

func get(t *testing.T, url string) (status int, version, text string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkHeaders(t, r.Header)
	return r.StatusCode, r.Header.Get("Lamina-Version"), string(body)
}

func TestLive(t *testing.T) {
	l := NewLive()
	url, stop := listenLive(t, l)
	if status, _, text := get(t, url); status != 200 || !strings.Contains(text, "not begun") || !strings.Contains(text, `data-version="0"`) {
		t.Errorf("status %d: %s", status, text)
	}
	l.Set([]byte("<body>one</body>"))
	if _, _, text := get(t, url); text != `<body>one<script src="/live.js" data-version="1"></script></body>` {
		t.Errorf("%s", text)
	}
	if status, version, text := get(t, url+"/next?after=0"); status != 200 || version != "1" || text != "<body>one</body>" {
		t.Errorf("status %d, version %s: %s", status, version, text)
	}
	answers := make(chan string, 1)
	wait := func(after int) {
		status, version, text := get(t, fmt.Sprintf("%s/next?after=%d", url, after))
		answers <- fmt.Sprint(status, " ", version, " ", text)
	}
	go wait(1)
	l.Set([]byte("<body>two</body>"))
	if got := <-answers; got != "200 2 <body>two</body>" {
		t.Errorf("the next is %s", got)
	}
	for path, want := range map[string]int{"/next?after=x": 400, "/next": 400, "/other": 404} {
		if status, _, _ := get(t, url+path); status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
	}
	r, err := http.Post(url, "text/plain", strings.NewReader("text"))
	if err != nil {
		t.Fatal(err)
	}
	checkProblem(t, r, 405, "GET")
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "attacker.example"
	if r, err = http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	checkProblem(t, r, 403, "attacker.example")
	stop()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // no request waits any more
	w := httptest.NewRecorder()
	l.handler(ctx).ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/next?after=2", nil))
	if w.Code != 204 || w.Header().Get("Lamina-Version") != "2" {
		t.Errorf("status %d, version %s", w.Code, w.Header().Get("Lamina-Version"))
	}
}

// reportPage returns a page with all that the report of a run has, of names that are long. LAMINA_REPORT
// names another.
func reportPage(t *testing.T) []byte {
	t.Helper()
	if path := os.Getenv("LAMINA_REPORT"); path != "" {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	matrix := &report.Confusion{Title: "Confusion matrix"}
	images := report.Gallery{Title: "Images"}
	for i := range 12 {
		matrix.Classes = append(matrix.Classes, fmt.Sprint(i, strings.Repeat("-name", 2*i)))
		matrix.Counts = append(matrix.Counts, slices.Repeat([]int{i}, 12))
		shown, err := report.NewImage(classifytest.Image(i), matrix.Classes[i])
		if err != nil {
			t.Fatal(err)
		}
		images.Images = append(images.Images, shown)
	}
	rows := []nn.Row{{Epoch: 1, LearningRate: 0.1}, {Epoch: 2, Result: nn.Result{Loss: 1, Accuracy: 1}}}
	page := report.Page{Title: "a run", Charts: report.RunCharts(), Curves: report.RunCurves(rows),
		Parts: []report.Part{matrix.Table(), matrix, images}}
	var b bytes.Buffer
	if err := page.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestReportInBrowser opens the report of a run from a file, without complaints, and live, where it
// changes by itself.
func TestReportInBrowser(t *testing.T) {
	ctx, complaints := browser(t)
	page := reportPage(t)
	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	do(chromedp.Navigate("file://" + filepath.ToSlash(clitest.Put(t, page, t.TempDir(), "REPORT.html"))))
	screenshots(t, ctx, "report")
	l := NewLive()
	url, stop := listenLive(t, l)
	l.Set(page)
	do(chromedp.Navigate(url))
	l.Set([]byte(strings.Replace(string(page), "<h1>", "<h1>changed ", 1)))
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.querySelector("h1").textContent.startsWith("changed ")`)); err != nil {
		t.Fatal(err)
	}
	if said := complaints(); len(said) > 0 {
		t.Errorf("Chromium says %q", said)
	}
	stop()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.querySelector(".notes[role=status]") != null`)); err != nil {
		t.Fatal(err)
	}
}
