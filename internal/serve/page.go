package serve

import (
	"bytes"
	"embed"
	"html/template"
	"image"
	"image/png"
	"net/http"
	"slices"
	"strconv"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/classify"
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

// newPage returns the page of a model.
func newPage(m *classify.Model) (page, error) {
	p := page{}
	samples, err := p.addSamples(m.Labels())
	if err != nil {
		return nil, err
	}
	for name, kind := range map[string]string{"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		data, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			return nil, err
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
		"Samples": samples, "MaxBody": maxBody >> 20})
	p["/"] = pageFile{"text/html; charset=utf-8", index.Bytes()}
	return p, err
}

// sample is an image for people who have none at hand.
type sample struct{ Path, Name string }

// addSamples adds an image of each class of the generated dataset for a model of those classes. For
// others there are none.
func (p page) addSamples(labels []string) ([]sample, error) {
	d := cifar.Shapes(1, 0, 10)
	if !slices.Equal(labels, d.Classes) {
		return nil, nil
	}
	var samples []sample
	for i, label := range d.Test.Labels {
		m := image.NewNRGBA(image.Rect(0, 0, cifar.Size, cifar.Size))
		for j := range cifar.Size * cifar.Size {
			at := i*cifar.Size*cifar.Size + j
			copy(m.Pix[4*j:], d.Test.Pixels[3*at:3*at+3])
			m.Pix[4*j+3] = 255
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			return nil, err
		}
		s := sample{samplePath + strconv.Itoa(i) + ".png", d.Classes[label]}
		p[s.Path] = pageFile{"image/png", b.Bytes()}
		samples = append(samples, s)
	}
	return samples, nil
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
