package cifar

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/internal/freemem"
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

	total int // images to read
	mutex sync.Mutex
	done  int // of total, guarded by mutex
}

// read sets the images of d, upright by their EXIF orientation and resized, and notes which files
// are left out.
func (r *reader) read(ctx context.Context, d *Dataset, train, test []file) (err error) {
	trained, tested := first(len(train), r.Limit), first(len(test), r.TestLimit)
	r.total = trained + tested
	note, err := r.checkMemory(freemem.Available("/") / 2)
	if err != nil {
		return fmt.Errorf("cifar: %s: %w", d.Name, err)
	}
	if note != "" && !r.Final {
		d.Notes = append(d.Notes, note)
	}
	if d.Train, err = r.decode(ctx, d, train, trained); err != nil {
		return err
	}
	if d.Test, err = r.decode(ctx, d, test, tested); err != nil {
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

// first returns how many of n images a limit leaves; 0 is none.
func first(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// checkMemory reports an error if the images take more bytes than the limit, half of what is free:
// the rest is for the training. If they take much it returns a note that says so.
func (r *reader) checkMemory(limit int) (note string, err error) {
	h, w := Images{Height: r.Height, Width: r.Width}.size()
	const mega, much = 1e6, 100e6
	need := float64(r.total) * float64(h*w*Channels)
	text := fmt.Sprintf("%d images of %dx%d pixels take %.0f MB of memory", r.total, h, w, need/mega)
	switch {
	case need > float64(limit):
		return "", fmt.Errorf("%s, and the limit is %.0f MB, half of what is free: "+
			"choose a smaller --size, or fewer images with --limit", text, float64(limit)/mega)
	case need > much:
		return fmt.Sprintf("%s, of at most %.0f MB", text, float64(limit)/mega), nil
	}
	return "", nil
}

// decode reads the first n image files. It leaves out those that cannot be read, and reads others
// instead.
func (r *reader) decode(ctx context.Context, d *Dataset, files []file, n int) (Images, error) {
	images := Images{Labels: make([]int32, 0, n), Height: r.Height, Width: r.Width}
	each := images.bytes()
	h, w := images.size()
	images.Pixels = make([]byte, 0, n*each)
	had, left := make([]bool, len(d.Classes)), make([]bool, len(d.Classes))
	for images.Len() < n && len(files) > 0 {
		some := files[:min(n-images.Len(), len(files))]
		files = files[len(some):]
		pixels, errs := images.Pixels[len(images.Pixels):][:len(some)*each], make([]error, len(some))
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(runtime.GOMAXPROCS(0))
		for i, f := range some {
			group.Go(func() error {
				if ctx.Err() == nil {
					errs[i] = readImage(ctx, pixels[i*each:(i+1)*each], h, w, f.path, picture.Fit(r.Resize))
					r.step()
				}
				return ctx.Err()
			})
		}
		if err := group.Wait(); err != nil {
			return Images{}, err
		}
		for i, err := range errs {
			class := some[i].class
			had[class] = true
			if err != nil {
				r.bad = append(r.bad, err)
				continue
			}
			images.Pixels = append(images.Pixels, pixels[i*each:(i+1)*each]...)
			images.Labels = append(images.Labels, class)
			left[class] = true
		}
		if !r.SkipBad {
			break // the bad ones are an error
		}
	}
	for class, name := range d.Classes {
		if r.SkipBad && len(files) == 0 && had[class] && !left[class] {
			return Images{}, fmt.Errorf("cifar: %s: the class %s has no images that can be read", d.Name, name)
		}
	}
	return images, nil
}

// step reports that an image is read.
func (r *reader) step() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.done++
	if r.Decoded != nil {
		r.Decoded(min(r.done, r.total), r.total)
	}
}

// readImage sets dst to the pixels of an image file, resized.
func readImage(ctx context.Context, dst []byte, h, w int, path string, fit picture.Fit) error {
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
	picture.Resize(dst, m, h, w, fit)
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
