package cifar

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/internal/infile"
	"github.com/lamina-go/lamina/internal/picture"
)

// file is an image file of a class.
type file struct {
	path  string
	class int32
}

// reader reads image files, and collects what is wrong with them.
type reader struct {
	Options
	ignored []string // files that are no images by their names
	bad     []error  // of images that cannot be read
}

// read sets the images of d, upright by their EXIF orientation and resized, and notes which files are
// left out.
func (r *reader) read(ctx context.Context, d *Dataset, train, test []file) (err error) {
	if d.Train, err = r.decode(ctx, d, train); err != nil {
		return err
	}
	if d.Test, err = r.decode(ctx, d, test); err != nil {
		return err
	}
	if len(r.bad) > 0 {
		if !r.SkipBad {
			return fmt.Errorf("cifar: %s: repair or remove %s, or leave %s out with --skip-bad", r.listBad(),
				them(len(r.bad)), them(len(r.bad)))
		}
		d.Notes = append(d.Notes, "left out "+r.listBad())
	}
	if len(r.ignored) > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("ignored %d files, the first %s: only images (%s) in a class folder are used",
			len(r.ignored), r.ignored[0], strings.Join(picture.Extensions(), ", ")))
	}
	return nil
}

// decode reads image files. It leaves out those that cannot be read.
func (r *reader) decode(ctx context.Context, d *Dataset, files []file) (Images, error) {
	images, errs := r.makeImages(len(files)), make([]error, len(files))
	h, w := images.size()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range files {
		images.Labels[i] = f.class
		group.Go(func() error {
			if ctx.Err() == nil {
				errs[i] = r.readImage(ctx, images.image(i), h, w, f.path)
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return Images{}, err
	}
	good := images
	good.Pixels, good.Labels = images.Pixels[:0], images.Labels[:0]
	had, left := make([]bool, len(d.Classes)), make([]bool, len(d.Classes))
	for i, err := range errs {
		class := files[i].class
		had[class] = true
		if err != nil {
			r.bad = append(r.bad, err)
			continue
		}
		good.Pixels = append(good.Pixels, images.image(i)...)
		good.Labels = append(good.Labels, class)
		left[class] = true
	}
	for class, name := range d.Classes {
		if r.SkipBad && had[class] && !left[class] {
			return Images{}, fmt.Errorf("cifar: %s: the class %s has no images that can be read", d.Name, name)
		}
	}
	return good, nil
}

// makeImages returns n black images of the size of the options.
func (r *reader) makeImages(n int) Images {
	images := Images{Labels: make([]int32, n), Height: r.Height, Width: r.Width}
	images.Pixels = make([]byte, n*images.bytes())
	return images
}

// readImage sets dst to the pixels of an image file, resized.
func (r *reader) readImage(ctx context.Context, dst []byte, h, w int, path string) error {
	f, _, err := infile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := picture.Open(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m, err := p.Decode(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	picture.Resize(dst, m, h, w, picture.Fit(r.Resize))
	return nil
}

// listBad says how many images cannot be read, and which.
func (r *reader) listBad() string {
	if len(r.bad) == 1 {
		return "an image that cannot be read: " + r.bad[0].Error()
	}
	const most = 20
	var names []string
	for _, err := range r.bad[:min(len(r.bad), most)] {
		names = append(names, err.Error())
	}
	if n := len(r.bad) - most; n > 0 {
		names = append(names, fmt.Sprintf("and %d more", n))
	}
	return fmt.Sprintf("%d images that cannot be read: %s", len(r.bad), strings.Join(names, "; "))
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
