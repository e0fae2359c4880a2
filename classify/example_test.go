package classify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
)

// A server that classifies the image in the body of a request. The model is opened once. Images of
// requests that come together are computed together.
func Example_server() {
	m, err := classify.Open(modelPath(), classify.Options{})
	check(err)
	defer m.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /classify", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		img, err := classify.Decode(r.Context(), bytes.NewReader(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		results, err := m.Classify(r.Context(), img)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(results[0].Top(3))
	})
	fmt.Println(post(mux, "/classify")) // instead of http.ListenAndServe(":8080", mux)
	// Output: 200 OK, first circle
}

// A program that carries its model, the folder of a run or a file of Keras:
//
//	//go:embed shapes
//	var files embed.FS
func ExampleOpenFS() {
	m, err := classify.OpenFS(files, "shapes", classify.Options{})
	check(err)
	defer m.Close()
	results, err := m.Classify(context.Background(), classifytest.Image(0))
	check(err)
	fmt.Println(results[0].Label(), results[0].Probability() > 0.5)
	// Output: circle true
}

// embedded stands for an embed.FS.
type embedded struct{}

var files fs.FS = embedded{}

func (embedded) Open(name string) (fs.File, error) {
	return os.DirFS(filepath.Dir(modelPath())).Open(name)
}

// modelPath returns the path of a model.
func modelPath() string {
	path, err := classifytest.Folder()
	check(err)
	return path
}

// post sends an image to a server, and returns the status and the first class.
func post(handler http.Handler, path string) string {
	server := httptest.NewServer(handler)
	defer server.Close()
	var body bytes.Buffer
	check(png.Encode(&body, classifytest.Image(0)))
	r, err := http.Post(server.URL+path, "image/png", &body)
	check(err)
	defer r.Body.Close()
	var classes []classify.Class
	check(json.NewDecoder(r.Body).Decode(&classes))
	return r.Status + ", first " + classes[0].Label
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
