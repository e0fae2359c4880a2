package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"

	"github.com/lamina-go/lamina/internal/picture"
)

// errTooSlow says that a picture waited too long.
var errTooSlow = errors.New("the server is busy: the picture waited for too long, try again in a moment")

// answer is what /v1/predict says: of each picture, in the order in which they came, its classes
// or what is wrong with it.
type answer struct {
	Model    string        `json:"model"`
	Pictures []pictureFile `json:"pictures"`
}

// upload is a picture of a request.
type upload struct {
	name string
	*request
	err error // why there is no request
}

// predict answers /v1/predict. The body is a picture, or a form with several.
func (s *server) predict(w http.ResponseWriter, r *http.Request) error {
	if err := s.origin.Check(r); err != nil {
		return problemf(http.StatusForbidden, "a page of another site may not use this server")
	}
	top := s.top
	if text := r.URL.Query().Get("top"); text != "" {
		var err error
		if top, err = strconv.Atoi(text); err != nil || top < 1 {
			return problemf(http.StatusBadRequest, "top=%s: want a number from 1 on", text)
		}
	}
	if r.ContentLength > maxBody {
		return &http.MaxBytesError{Limit: maxBody}
	}
	size := r.ContentLength
	if size < 0 {
		size = maxBody // it may be
	}
	if !s.bodies.TryAcquire(size) {
		return errQueueFull
	}
	defer s.bodies.Release(size)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.times.request(), errTooSlow)
	defer cancel() // images in the queue are not classified if one finds no room
	uploads, err := s.read(ctx, r)
	if err != nil {
		return err
	}
	a := answer{Model: s.name}
	for i := range uploads {
		f, err := s.tell(&uploads[i], top)
		if err != nil {
			return err
		}
		a.Pictures = append(a.Pictures, f)
	}
	if err := allBad(uploads); err != nil {
		return err
	}
	return writeJSON(w, a)
}

// allBad returns what is wrong with the first picture, if something is with each.
func allBad(uploads []upload) error {
	for _, u := range uploads {
		if u.err == nil {
			return nil
		}
	}
	return uploads[0].err
}

// tell waits for the classes of a picture.
func (s *server) tell(u *upload, top int) (f pictureFile, err error) {
	f.Name = u.name
	if u.err == nil {
		probabilities, err := u.wait()
		if err != nil {
			return f, err
		}
		f.Scores, u.err = s.best(probabilities, top)
	}
	f.fail(u.err)
	s.observePicture(u.err == nil)
	return f, nil
}

// read reads the pictures of a request and puts them into the queue.
func (s *server) read(ctx context.Context, r *http.Request) ([]upload, error) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, brokenBody(err)
		}
		if len(data) == 0 {
			return nil, problemf(http.StatusBadRequest, "the body is empty: send a picture, or a form with pictures")
		}
		u, err := s.enqueue(ctx, "", data)
		return []upload{u}, err
	}
	if err != nil || parameters["boundary"] == "" {
		return nil, problemf(http.StatusBadRequest, "Content-Type: a form needs a boundary")
	}
	var all []upload
	form := multipart.NewReader(r.Body, parameters["boundary"])
	for {
		part, err := form.NextPart()
		if err == io.EOF { // the last boundary; the end of a body without it is wrapped
			if len(all) == 0 {
				return nil, problemf(http.StatusBadRequest, "the form has no pictures")
			}
			return all, nil
		}
		if err != nil {
			return nil, brokenBody(err)
		}
		if len(all) == maxPictures {
			return nil, problemf(http.StatusRequestEntityTooLarge, "the form has too many pictures: at most %d are taken", maxPictures)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, brokenBody(err)
		}
		u, err := s.enqueue(ctx, cmp.Or(part.FileName(), part.FormName()), data)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
}

// brokenBody returns the error for a body that cannot be read.
func brokenBody(err error) error {
	if code := statusOf(err); code != http.StatusBadRequest {
		return err
	}
	return problemf(http.StatusBadRequest, "the body is cut off, or is not the form that it says it is: %w", err)
}

// enqueue decodes a picture and puts it into the queue. What is wrong with the picture is in the upload;
// an error is one of the whole request.
func (s *server) enqueue(ctx context.Context, name string, data []byte) (upload, error) {
	image, err := s.decode(ctx, data)
	if ctx.Err() != nil {
		return upload{}, context.Cause(ctx)
	}
	if err != nil {
		return upload{name: name, err: err}, nil
	}
	r, err := s.batcher.add(ctx, image)
	return upload{name: name, request: r}, err
}

// decode returns the numbers of a picture. Only so many pixels are decoded at a time.
func (s *server) decode(ctx context.Context, data []byte) ([]float32, error) {
	p, err := picture.Open(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	pixels := int64(p.Width) * int64(p.Height)
	if pixels > maxPixels {
		return nil, fmt.Errorf("a picture of %dx%d pixels is %w: at most %d million are taken", p.Width, p.Height, picture.ErrTooLarge, maxPixels>>20)
	}
	if err := s.pixels.Acquire(ctx, pixels); err != nil {
		return nil, err
	}
	defer s.pixels.Release(pixels)
	return s.classifier.read(p)
}
