package serve

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strconv"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/design"
	"github.com/lamina-go/lamina/internal/sample"
)

//go:embed page
var pageFiles embed.FS

// contentPolicy restricts the page to what this server gives, and images that a person has chosen.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const (
	predictPath = "/v1/predict"
	samplePath  = "/samples/"
)

// page holds the files for browsers by their paths.
type page map[string]pageFile

type pageFile struct {
	contentType string
	data        []byte
}

// newPage returns the page of a model, with samples.
func newPage(m *classify.Model, samples []sample.Sample) (page, error) {
	p := page{"/icon.svg": {"image/svg+xml; charset=utf-8", []byte(design.Icon)}}
	shown := p.addSamples(m.Labels(), samples)
	for name, kind := range map[string]string{"page.css": "text/css", "page.js": "text/javascript"} {
		data, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			return nil, err
		}
		if name == "page.css" {
			data = append([]byte(design.CSS), data...)
		}
		p["/"+name] = pageFile{kind + "; charset=utf-8", data}
	}
	t, err := template.ParseFS(pageFiles, "page/index.html")
	if err != nil {
		return nil, err
	}
	input := m.Input()
	var index bytes.Buffer
	err = t.Execute(&index, map[string]any{"Name": m.Name(), "Classes": m.Labels(), "Height": input[0], "Width": input[1],
		"Samples": shown, "MaxBody": maxBody >> 20})
	p["/"] = pageFile{"text/html; charset=utf-8", index.Bytes()}
	return p, err
}

// shownSample is a sample in the page.
type shownSample struct {
	Path, Name string
	Tiny       bool // show its pixels
}

// addSamples adds the files of samples.
func (p page) addSamples(labels []string, samples []sample.Sample) (shown []shownSample) {
	for i, s := range samples {
		path := samplePath + strconv.Itoa(i)
		p[path] = pageFile{s.Type, s.Data}
		shown = append(shown, shownSample{path, labels[s.Class], s.Type == "image/png"})
	}
	return shown
}

// write answers with a file of the page.
func (p page) write(w http.ResponseWriter, r *http.Request) error {
	f, ok := p[r.URL.Path]
	if !ok {
		return problemf(http.StatusNotFound, "no such path %s: the page is /, the endpoint for programs %s",
			r.URL.Path, predictPath)
	}
	return only(http.MethodGet, f.write)(w, r)
}

func (f pageFile) write(w http.ResponseWriter, _ *http.Request) error {
	return writeBody(w, http.StatusOK, f.contentType, f.data)
}
