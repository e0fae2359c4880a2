package serve

import (
	"bytes"
	"encoding/json"
	"image"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

// FuzzPredict sends bodies to the server. The answer has classes or an error for each image, or
// says what is wrong with the request.
func FuzzPredict(f *testing.F) {
	h := newTestServer(f).handler()
	paths, err := filepath.Glob("../picture/testdata/pictures/*")
	if err != nil || len(paths) == 0 {
		f.Fatal("no images", err)
	}
	files := [][]byte{picturetest.PNG(f, image.NewGray16(image.Rect(0, 0, 3, 5))), classifytest.PNG(f, 0), picturetest.Bomb(f, 50_000, 50_000), []byte("hello")}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, data)
	}
	for _, data := range files {
		f.Add("image/png", data)
	}
	body, contentType := form(f, []string{"a", "b", "c"}, files[:3]...)
	f.Add(contentType, body)
	f.Add(contentType, body[:len(body)-20])
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		w := post(h, predictPath, contentType, bytes.NewReader(body))
		if w.Code != http.StatusOK {
			if w.Code != 400 && w.Code != 413 && w.Code != 415 {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
			checkProblem(t, w.Result(), w.Code)
			return
		}
		var a answer
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || len(a.Pictures) == 0 {
			t.Fatalf("%v in %s", err, w.Body)
		}
		for _, p := range a.Pictures {
			if (p.Error == "") != (len(p.Classes) == 3) {
				t.Errorf("%+v", p)
			}
		}
	})
}
