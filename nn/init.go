package nn

import (
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
)

// Initializer is a distribution of the initial values of kernels. A value depends only on the seed,
// the weight's name and the element's index.
type Initializer struct {
	kind      initKind
	deviation float64 // of normal
}

type initKind uint8

const (
	heNormal initKind = iota
	glorotUniform
	normal
	dirac
)

// truncation is the standard deviation of a standard normal distribution truncated at ±2.
const truncation = 0.8796256610342398

// HeNormal is a normal distribution truncated at two standard deviations. After truncation its
// deviation is sqrt(2/fan_in) (https://arxiv.org/abs/1502.01852, as Keras implements it).
func HeNormal() Initializer { return Initializer{kind: heNormal} }

// GlorotUniform is uniform within ±sqrt(6/(fan_in + fan_out))
// (https://proceedings.mlr.press/v9/glorot10a.html).
func GlorotUniform() Initializer { return Initializer{kind: glorotUniform} }

// RandomNormal is a normal distribution of mean 0, not truncated.
func RandomNormal(deviation float64) Initializer { return Initializer{normal, deviation} }

// Dirac lets the first filters of a convolution copy its input channels, one each: their kernels
// are 1 in the centre and 0 elsewhere (https://arxiv.org/abs/1706.00388). Other kernels of
// convolutions are uniform within ±sqrt(1/fan_in). Those of Dense layers are uniform with a
// deviation of 1/fan_in.
func Dirac() Initializer { return Initializer{kind: dirac} }

// ParseInit reads "he_normal", "glorot_uniform", "dirac", "normal" (deviation 0.05) or
// "normal:0.01".
func ParseInit(text string) (Initializer, error) {
	switch text {
	case "he_normal":
		return HeNormal(), nil
	case "glorot_uniform":
		return GlorotUniform(), nil
	case "dirac":
		return Dirac(), nil
	case "normal":
		return RandomNormal(0.05), nil
	}
	if number, ok := strings.CutPrefix(text, "normal:"); ok {
		d, err := strconv.ParseFloat(number, 64)
		if err != nil || !(d >= 0 && d <= math.MaxFloat32) {
			return Initializer{}, fmt.Errorf("initializer %q: the deviation must be a number, at least 0 and at most 3.4e38",
				text)
		}
		return RandomNormal(d), nil
	}
	return Initializer{}, fmt.Errorf("unknown initializer %q: want he_normal, glorot_uniform, dirac, normal or normal:DEVIATION", text)
}

// scale returns the factor of a standard variate: the deviation before truncation of a normal
// distribution, the limit of the uniform one.
func (in Initializer) scale(w Weight) float64 {
	switch in.kind {
	case heNormal:
		return math.Sqrt(2/float64(w.FanIn)) / truncation
	case glorotUniform:
		return math.Sqrt(6 / float64(w.FanIn+w.FanOut))
	case dirac:
		if len(w.Shape) == 2 {
			return math.Sqrt(3) / float64(w.FanIn)
		}
		return 1 / math.Sqrt(float64(w.FanIn))
	}
	return in.deviation
}

// initBlock is the number of values from one random stream.
const initBlock = 1 << 16

// fill computes the values of a kernel from block number first on; dst begins at a block.
func (in Initializer) fill(dst []float32, w Weight, seed uint64, first int) {
	h := fnv.New64a()
	io.WriteString(h, w.Name)
	key, scale := h.Sum64(), in.scale(w)
	var all sync.WaitGroup
	for b := 0; b*initBlock < len(dst); b++ {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, key+uint64(first+b)))
			block := dst[b*initBlock : min((b+1)*initBlock, len(dst))]
			in.sample(block, scale, r)
			if in.kind == dirac && w.orthogonal() {
				copyChannels(block, w, (first+b)*initBlock)
			}
		})
	}
	all.Wait()
}

func (in Initializer) sample(dst []float32, scale float64, r *rand.Rand) {
	switch in.kind {
	case heNormal:
		for i := range dst {
			z := r.NormFloat64()
			for math.Abs(z) >= 2 {
				z = r.NormFloat64()
			}
			dst[i] = float32(scale * z)
		}
	case glorotUniform, dirac:
		for i := range dst {
			dst[i] = float32(scale * (2*r.Float64() - 1))
		}
	default:
		for i := range dst {
			dst[i] = float32(scale * r.NormFloat64())
		}
	}
}

// copyChannels sets the first filters of a convolution's kernel, of which dst begins at an element.
func copyChannels(dst []float32, w Weight, at int) {
	in, out := w.Shape[2], w.Shape[3]
	centre := w.Shape[0]/2*w.Shape[1] + w.Shape[1]/2
	for i := range dst {
		row, filter := (at+i)/out, (at+i)%out
		if filter >= in {
			continue
		}
		dst[i] = 0
		if row == centre*in+filter {
			dst[i] = 1
		}
	}
}
