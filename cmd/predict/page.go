package main

import (
	"bytes"
	"embed"
	"html/template"
	"image"
	"image/png"
	"net/http"
	"strconv"

	"github.com/lamina-go/lamina/cifar"
)

//go:embed page
var pageFiles embed.FS

// contentPolicy lets the page use what this server gives, and pictures that a person has chosen.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// The paths of what the server gives.
const (
	predictPath = "/v1/predict"
	samplePath  = "/samples/"
)

// page is what a browser gets, by its path.
type page map[string]pageFile

type pageFile struct {
	kind string // Content-Type
	data []byte
}

// newPage makes the page of a model.
func newPage(m *classifier) (page, error) {
	p := page{}
	samples, err := p.addSamples()
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
	var index bytes.Buffer
	err = t.Execute(&index, map[string]any{"Name": m.name, "Classes": m.labels, "Height": m.Input[0], "Width": m.Input[1],
		"Samples": samples, "MaxBody": maxBody >> 20})
	p["/"] = pageFile{"text/html; charset=utf-8", index.Bytes()}
	return p, err
}

// sample is a picture for those who have none at hand.
type sample struct{ Path, Name string }

// addSamples adds pictures of the built-in data, one of each class.
func (p page) addSamples() ([]sample, error) {
	var all []sample
	d := cifar.Shapes(1, 0, 10)
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
		all = append(all, s)
	}
	return all, nil
}

// write answers with a file of the page.
func (p page) write(w http.ResponseWriter, r *http.Request) error {
	f, ok := p[r.URL.Path]
	if !ok {
		return problemf(http.StatusNotFound, "there is no %s: the page is at /, programs use %s", r.URL.Path, predictPath)
	}
	return only(http.MethodGet, f.write)(w, r)
}

func (f pageFile) write(w http.ResponseWriter, _ *http.Request) error {
	return writeBody(w, http.StatusOK, f.kind, f.data)
}
