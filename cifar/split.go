package cifar

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/internal/infile"
)

// DefaultVal is the share of the images for validation where none are set aside for it.
const DefaultVal = 0.2

// divide reads files into the training and the validation images of d, as the options say. reason
// is that of the default.
func (r *reader) divide(ctx context.Context, d *Dataset, files []file, reason string) error {
	if r.Whole {
		d.Notes = append(d.Notes, fmt.Sprintf("%s sets no images aside: all %d are measured", d.Name, len(files)))
		return r.read(ctx, d, splits{test: files})
	}
	sums, err := r.sumAll(ctx, files)
	if err != nil {
		return err
	}
	share := cmp.Or(r.Val, DefaultVal)
	chosen, alone := choose(files, sums, len(d.Classes), share, r.Seed)
	var train, validation []file
	for i, f := range files {
		if chosen[sums[i]] {
			validation = append(validation, f)
		} else {
			train = append(train, f)
		}
	}
	if validation == nil {
		return fmt.Errorf("cifar: %s: no class has two different images, one of them for validation: add images", d.Name)
	}
	if r.Val != 0 {
		reason = "--val"
	}
	if !r.Final {
		d.Notes = append(d.Notes, fmt.Sprintf("%s: %s: %d images are for training, and %d, %g %% of each class, for validation",
			d.Name, reason, len(train), len(validation), 100*share))
	}
	if r.Final {
		d.Notes = append(d.Notes, fmt.Sprintf("%s: the %d images of the run's validation are measured",
			d.Name, len(validation)))
		train = nil
	}
	if alone != nil {
		names := make([]string, len(alone))
		for i, class := range alone {
			names[i] = d.Classes[class]
		}
		d.Notes = append(d.Notes, fmt.Sprintf("%s: a single image is for training, and validation omits the class (equal images count once)",
			strings.Join(names, ", ")))
	}
	return r.read(ctx, d, splits{train, validation})
}

// sum is the SHA-256 of a file.
type sum = [sha256.Size]byte

// sumAll returns the sums of files, from a cache file of their images if there is one. A file that
// cannot be read has that of its name: decoding reports it.
func (r *reader) sumAll(ctx context.Context, files []file) ([]sum, error) {
	r.identify(files)
	r.cachedContents()
	sums := make([]sum, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range files {
		var ok bool
		if sums[i], ok = r.contents[r.ids[f.path]]; ok {
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			h := sha256.New()
			opened, _, err := infile.Open(f.path)
			if err == nil {
				_, err = io.Copy(h, opened)
				opened.Close()
			}
			if err != nil {
				h.Reset()
				io.WriteString(h, f.path)
			}
			h.Sum(sums[i][:0])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, f := range files {
		r.contents[r.ids[f.path]] = sums[i]
	}
	return sums, nil
}

// choose returns the contents for validation: of each class that share of its different contents,
// but at least one, and not all. It depends only on the contents and the seed. What is in two
// classes is not chosen. alone are the classes without any.
func choose(files []file, sums []sum, classes int, share float64, seed uint64) (chosen map[sum]bool, alone []int) {
	classOf := map[sum]int32{}
	for i, f := range files {
		if class, ok := classOf[sums[i]]; ok && class != f.class {
			classOf[sums[i]] = several
		} else {
			classOf[sums[i]] = f.class
		}
	}
	type keyed struct{ key, sum sum }
	byClass := make([][]keyed, classes)
	for s, class := range classOf {
		if class != several {
			byClass[class] = append(byClass[class], keyed{sha256.Sum256(binary.LittleEndian.AppendUint64(s[:], seed)), s})
		}
	}
	chosen = map[sum]bool{}
	for class, all := range byClass {
		if len(all) < 2 {
			alone = append(alone, class)
			continue
		}
		slices.SortFunc(all, func(a, b keyed) int { return slices.Compare(a.key[:], b.key[:]) })
		n := int(math.Round(share * float64(len(all))))
		for _, k := range all[:min(max(n, 1), len(all)-1)] {
			chosen[k.sum] = true
		}
	}
	return chosen, alone
}

// several stands for the class of a content that is in more than one.
const several = -1
