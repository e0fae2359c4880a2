package serve

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/picture"
)

// Errors of a busy server.
var (
	errTooSlow   = errors.New("the server is busy: the image waited too long, try again in a moment")
	errQueueFull = errors.New("the server is busy: its queue is full, try again in a moment")
)

// answer is the body of an answer of /v1/predict.
type answer struct {
	Model    string     `json:"model"`
	Pictures []uploaded `json:"pictures"` // in the order of the request
}

// uploaded is what the server says of an image.
type uploaded struct {
	Name    string           `json:"name,omitempty"`
	Classes []classify.Class `json:"classes,omitempty"`
	Error   string           `json:"error,omitempty"`
}

// upload is an image of a request.
type upload struct {
	name    string
	done    chan struct{} // closed when the following are set
	result  classify.Result
	err     error // of the image
	failure error // of the request
}

// predict answers /v1/predict. The body is an image, or a form with several.
func (s *Server) predict(w http.ResponseWriter, r *http.Request) error {
	if err := s.checkOrigin(r); err != nil {
		return err
	}
	top := s.top
	if text := r.URL.Query().Get("top"); text != "" {
		var err error
		if top, err = strconv.Atoi(text); err != nil || top < 1 {
			return problemf(http.StatusBadRequest, "top=%s: must be an integer of at least 1", text)
		}
	}
	if r.ContentLength > maxBody {
		return &http.MaxBytesError{Limit: maxBody}
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.timeouts.request(), errTooSlow)
	defer cancel() // if one image finds the queue full, the queued ones are not classified
	b := s.bodies.open(ctx, w, r)
	defer b.close()
	uploads, err := s.read(ctx, r.Header.Get("Content-Type"), b)
	if err != nil {
		return err
	}
	a := answer{Model: s.model.Name()}
	for i := range uploads {
		u, err := s.await(uploads[i], top)
		if err != nil {
			return err
		}
		a.Pictures = append(a.Pictures, u)
	}
	if err := allBad(uploads); err != nil {
		return err
	}
	return writeJSON(w, a)
}

// allBad returns the error of the first image if all images have one.
func allBad(uploads []*upload) error {
	for _, u := range uploads {
		if u.err == nil {
			return nil
		}
	}
	return uploads[0].err
}

// await waits for the classes of an image. An error is one of the whole request.
func (s *Server) await(u *upload, top int) (uploaded, error) {
	<-u.done
	result := uploaded{Name: u.name}
	switch {
	case u.failure != nil:
		return result, u.failure
	case u.err != nil:
		result.Error = u.err.Error()
	default:
		result.Classes = u.result.Top(top)
	}
	s.observeImage(u.err == nil)
	return result, nil
}

// read reads the images of a body and queues them.
func (s *Server) read(ctx context.Context, contentType string, body io.Reader) ([]*upload, error) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if kind != "multipart/form-data" {
		data, err := io.ReadAll(body)
		if err != nil {
			return nil, brokenBody(err)
		}
		if len(data) == 0 {
			return nil, problemf(http.StatusBadRequest, "the body is empty: send an image, or a form of images")
		}
		u, err := s.enqueue(ctx, "", data)
		return []*upload{u}, err
	}
	if err != nil || parameters["boundary"] == "" {
		return nil, problemf(http.StatusBadRequest, "Content-Type: a form requires a boundary")
	}
	var uploads []*upload
	form := multipart.NewReader(body, parameters["boundary"])
	for {
		field, err := form.NextPart()
		if err == io.EOF { // the last boundary; a body that ends without it gives another error
			if len(uploads) == 0 {
				return nil, problemf(http.StatusBadRequest, "the form has no images")
			}
			return uploads, nil
		}
		if err != nil {
			return nil, brokenBody(err)
		}
		if len(uploads) == maxImages {
			return nil, problemf(http.StatusRequestEntityTooLarge,
				"the form has too many images: the limit is %d", maxImages)
		}
		data, err := io.ReadAll(field)
		if err != nil {
			return nil, brokenBody(err)
		}
		u, err := s.enqueue(ctx, cmp.Or(field.FileName(), field.FormName()), data)
		if err != nil {
			return nil, err
		}
		uploads = append(uploads, u)
	}
}

// brokenBody returns the error for a body that cannot be read.
func brokenBody(err error) error {
	if code := statusOf(err); code != http.StatusBadRequest {
		return err
	}
	return problemf(http.StatusBadRequest, "the body is cut off, or not the form that its Content-Type claims: %w", err)
}

// enqueue decodes an image and starts to classify it. An error is one of the whole request.
func (s *Server) enqueue(ctx context.Context, name string, data []byte) (*upload, error) {
	u := &upload{name: name, done: make(chan struct{})}
	image, err := s.decode(ctx, data)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		u.err = err
		close(u.done)
		return u, nil
	}
	if s.waiting.Add(1) > s.maxWaiting {
		s.waiting.Add(-1)
		return nil, errQueueFull
	}
	go func() {
		defer close(u.done)
		defer s.waiting.Add(-1)
		s.classify(ctx, u, image)
	}()
	return u, nil
}

// classify classifies an upload.
func (s *Server) classify(ctx context.Context, u *upload, image []float32) {
	results, err := s.model.ClassifyPrepared(ctx, image)
	switch {
	case err == nil:
		u.result = results[0]
	case errors.Is(err, classify.ErrNotFinite):
		u.err = err
	case ctx.Err() != nil:
		u.failure = err
	default:
		if fault := (*classify.PanicError)(nil); errors.As(err, &fault) {
			log.Printf("%v\n%s", fault.Value, fault.Stack)
		}
		u.failure = problem{http.StatusInternalServerError, err}
		s.failed.Store(&u.failure)
	}
}

// decode returns the elements of an image. The pixels that are decoded at a time have a limit.
func (s *Server) decode(ctx context.Context, data []byte) ([]float32, error) {
	p, err := picture.Open(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	pixels := int64(p.Width) * int64(p.Height)
	if pixels > maxPixels {
		return nil, fmt.Errorf("an image of %dx%d pixels is %w: the limit is %d million", p.Width, p.Height,
			picture.ErrTooLarge, maxPixels>>20)
	}
	share := s.share(p)
	if err := s.pixels.Acquire(ctx, share); err != nil {
		return nil, err
	}
	defer s.pixels.Release(share)
	img, err := p.Decode(ctx)
	if err != nil {
		return nil, err
	}
	return s.model.Prepare(img)
}

// share returns how much of the limit on pixels an image takes: its pixels, or what resizing takes
// for an image that is high and narrow, a row of 32 bytes per pixel of the network's width for each
// of its rows.
func (s *Server) share(p *picture.Picture) int64 {
	const decoded, resized = 4, 32 // bytes per pixel
	input := s.model.Input()
	resizing := int64(max(p.Width, p.Height)) * int64(max(input[0], input[1])) * resized / decoded
	return min(max(int64(p.Width)*int64(p.Height), resizing), maxPixels)
}
