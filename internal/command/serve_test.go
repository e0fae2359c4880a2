package command

import (
	"encoding/json"
	"fmt"
	"image/color"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// TestServeEnds starts the program as a server and stops it.
func TestServeEnds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals to a process")
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := clitest.Start(t, clitest.Command(t, "serve", classifytest.Run(t), "--listen", "0"))
		_, url, _ := strings.Cut(p.Await("http://127.0.0.1:"), "http://")
		r, err := http.Get("http://" + url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("status %d", r.StatusCode)
		}
		p.Signal(signal)
		if o := p.End(); o.Code != 0 {
			t.Errorf("after %v: exit %d: %s", signal, o.Code, o.Stderr)
		}
	}
}

func TestServeAtATakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	fail(t, 1, []string{"--listen " + address, "another port"}, "serve", classifytest.Run(t), "--listen", address)
}

// TestServeOwn serves a run on own images of another size. The page offers validation images, which
// are classified as the files that they come from.
func TestServeOwn(t *testing.T) {
	clitest.Once(t)
	data, out := t.TempDir(), filepath.Join(t.TempDir(), "run")
	for class, name := range []string{"dark", "light"} {
		for i := range 10 {
			shade := uint8(30 + 160*class + 2*i)
			clitest.Put(t, picturetest.PNG(t, picturetest.Plain(90, 40, color.NRGBA{shade, shade, uint8(9 * i), 255})),
				data, "train", name, fmt.Sprint(i, ".png"))
		}
		for i := range 2 { // of the size of the network, so that resizing changes nothing
			shade := uint8(45 + 160*class + 2*i)
			clitest.Put(t, picturetest.PNG(t, picturetest.Plain(48, 40, color.NRGBA{shade, 20, shade, 255})),
				data, "val", name, fmt.Sprint(i, ".png"))
		}
	}
	succeed(t, "train", "--data", data, "--out", out, "--size", "40x48", "--resize", "pad", "--model",
		"resnet20", "--epochs", "1",
		"--batch", "4", "--lr", "0.01", "--std", "60")
	want := decode(t, succeed(t, "predict", out, filepath.Join(data, "val"), "--json"))
	p := clitest.Start(t, clitest.Command(t, "serve", out, "--listen", "0", "--allow-origin",
		"https://Shop.example,http://localhost:3000"))
	_, url, _ := strings.Cut(p.Await("http://127.0.0.1:"), "http://")
	get := func(path string) string {
		r, err := http.Get("http://" + url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d, %v", path, r.StatusCode, err)
		}
		return string(text)
	}
	page := get("/")
	for _, words := range []string{"48 × 40 pixels", "dark, light", `data-name="light"`} {
		if !strings.Contains(page, words) {
			t.Errorf("the page lacks %s", words)
		}
	}
	if n := strings.Count(page, "data-sample="); n != 4 || len(want) != 4 {
		t.Fatalf("%d samples of %d files, want 4", n, len(want))
	}
	for i, file := range want { // both by class
		request, err := http.NewRequest("POST", "http://"+url+"/v1/predict",
			strings.NewReader(get(fmt.Sprint("/samples/", i))))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", "https://shop.example")
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Pictures []struct{ Classes []classify.Class }
		}
		err = json.NewDecoder(r.Body).Decode(&got)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || r.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
			t.Fatalf("status %d, %v, %v", r.StatusCode, err, r.Header)
		}
		first := got.Pictures[0].Classes[0]
		if math.Abs(first.Probability-file.Classes[0].Probability) > 1e-5 || first.Label != file.Classes[0].Label {
			t.Errorf("sample %d is %+v, %s is %+v", i, first, file.Name, file.Classes[0])
		}
	}
	fail(t, 2, []string{`--allow-origin "shop.example"`, "https://example.com"}, "serve", out,
		"--allow-origin", "shop.example")
}
