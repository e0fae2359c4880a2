package cifar

import (
	"context"
	"fmt"
	"runtime"
	"slices"
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

// splits are the image files of a dataset.
type splits struct{ train, test []file }

// reader reads image files, and collects what is wrong with them.
type reader struct {
	Options
	ignored []string // files that are no images by their names
	bad     []error  // of images that cannot be read

	// For a cache file, unless they are nil: the identities of all files by path, and the contents of
	// some by identity.
	ids      map[string][16]byte
	contents map[[16]byte]sum

	total int // images to read
	mutex sync.Mutex
	done  int // of total, guarded by mutex
}

// read sets the images of d, upright by their EXIF orientation and resized, and notes which files
// are left out. They lie in memory or, if they exceed half of what is free, in a cache file.
func (r *reader) read(ctx context.Context, d *Dataset, s splits) error {
	r.total = first(len(s.train), r.Limit) + first(len(s.test), r.TestLimit)
	text, fits := r.checkMemory(min(freemem.Available("/"), freemem.Heap()) / 2)
	if fits {
		if err := r.takeAll(ctx, d, s, &memory{decoder{reader: r}}); err != nil {
			return err
		}
	} else {
		path, err := r.readCache(ctx, d, s)
		if err != nil {
			return err
		}
		text += fmt.Sprintf(": they are read from %s, by later runs too: delete it when no run needs it", path)
		if n, size := otherCaches(path); n > 0 {
			text += fmt.Sprintf(" (beside it are %d of other data, %.0f MB)", n, float64(size)/mega)
		}
	}
	if text != "" && (!fits || !r.Final) {
		d.Notes = append(d.Notes, text)
	}
	if err := r.checkBad(); err != nil {
		return err
	}
	if len(r.bad) > 0 {
		d.Notes = append(d.Notes, "left out "+r.listBad())
	}
	if len(r.ignored) > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("ignored %d files, the first %s: only images (%s) in a class folder are used",
			len(r.ignored), r.ignored[0], strings.Join(picture.Extensions(), ", ")))
	}
	return nil
}

// each returns the bytes of an image.
func (r *reader) each() int { return Images{Height: r.Height, Width: r.Width}.bytes() }

// first returns how many of n images a limit leaves; 0 is none.
func first(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

const mega = 1e6

// checkMemory reports whether the images fit into the limit, half of what is free: the rest is for
// the training. If they take much, the note says so.
func (r *reader) checkMemory(limit int) (note string, fits bool) {
	const much = 100e6
	h, w := Images{Height: r.Height, Width: r.Width}.size()
	need := float64(r.total) * float64(r.each())
	text := fmt.Sprintf("%d images of %dx%d pixels take %.0f MB of memory", r.total, h, w, need/mega)
	switch {
	case need > float64(limit):
		return fmt.Sprintf("%s, above the limit of %.0f MB, half of what is free", text, float64(limit)/mega), false
	case need > much:
		return fmt.Sprintf("%s, of at most %.0f MB", text, float64(limit)/mega), true
	}
	return "", true
}

// store reads image files for take, and keeps the images.
type store interface {
	// read reads some files, and returns what is wrong with each.
	read(ctx context.Context, some []file) ([]error, error)
	// keep adds file i of the last read to images, but not its label.
	keep(images *Images, i int) error
}

// takeAll sets the images of d.
func (r *reader) takeAll(ctx context.Context, d *Dataset, s splits, to store) (err error) {
	if d.Train, err = r.take(ctx, d, s.train, first(len(s.train), r.Limit), to); err != nil {
		return err
	}
	d.Test, err = r.take(ctx, d, s.test, first(len(s.test), r.TestLimit), to)
	return err
}

// take returns the images of the first n files. It leaves out those that cannot be read, and takes
// others instead.
func (r *reader) take(ctx context.Context, d *Dataset, files []file, n int, to store) (Images, error) {
	const chunk = 32 << 20 // bytes of the images that are read at a time
	images := Images{Labels: make([]int32, 0, n), Height: r.Height, Width: r.Width}
	atOnce := max(chunk/images.bytes(), runtime.GOMAXPROCS(0))
	if !r.SkipBad {
		files = files[:n] // the bad ones are an error
	}
	had, left := make([]bool, len(d.Classes)), make([]bool, len(d.Classes))
	for images.Len() < n && len(files) > 0 {
		some := files[:min(n-images.Len(), len(files), atOnce)]
		files = files[len(some):]
		errs, err := to.read(ctx, some)
		if err != nil {
			return Images{}, err
		}
		for i, err := range errs {
			class := some[i].class
			had[class] = true
			if err != nil {
				r.bad = append(r.bad, err)
				continue
			}
			if err := to.keep(&images, i); err != nil {
				return Images{}, err
			}
			images.Labels = append(images.Labels, class)
			left[class] = true
		}
	}
	for class, name := range d.Classes {
		if r.SkipBad && len(files) == 0 && had[class] && !left[class] {
			return Images{}, fmt.Errorf("cifar: %s: the class %s has no images that can be read", d.Name, name)
		}
	}
	return images, nil
}

// decoder decodes image files.
type decoder struct {
	reader *reader
	some   []file // the last ones read
	pixels []byte // of their images
}

// record returns the pixels of file i of the last ones.
func (d *decoder) record(i int) []byte { return d.pixels[i*d.reader.each():][:d.reader.each()] }

func (d *decoder) read(ctx context.Context, some []file) ([]error, error) {
	d.some, d.pixels = some, slices.Grow(d.pixels[:0], len(some)*d.reader.each())[:len(some)*d.reader.each()]
	h, w := Images{Height: d.reader.Height, Width: d.reader.Width}.size()
	errs := make([]error, len(some))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range some {
		group.Go(func() error {
			if ctx.Err() == nil {
				errs[i] = readImage(ctx, d.record(i), h, w, f.path, picture.Fit(d.reader.Resize))
				d.reader.step()
			}
			return ctx.Err()
		})
	}
	return errs, group.Wait()
}

// memory decodes images into memory.
type memory struct{ decoder }

func (m *memory) keep(images *Images, i int) error {
	if images.Pixels == nil {
		images.Pixels = make([]byte, 0, cap(images.Labels)*m.reader.each())
	}
	images.Pixels = append(images.Pixels, m.record(i)...)
	return nil
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

// checkBad reports the images that cannot be read, unless they are to be left out.
func (r *reader) checkBad() error {
	if len(r.bad) == 0 || r.SkipBad {
		return nil
	}
	return fmt.Errorf("cifar: %s: repair or remove %s, or leave %s out with --skip-bad", r.listBad(),
		them(len(r.bad)), them(len(r.bad)))
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
