package keras

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/internal/boundtest"
	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/nn"
)

// hostile opens and loads a small file that tries to take much memory or time. It must be rejected
// by an error of one line that contains want, within the bounds of boundtest.
func hostile(t *testing.T, v *victim, name string, data []byte, want string) {
	t.Helper()
	var err error
	boundtest.Within(t, len(data), func() { err = openAll(v, name, data) })
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s of %d bytes: error %.300v, want one with %q", name, len(data), err, want)
	}
}

// openAll opens a file and loads it in every way, up to an error.
func openAll(v *victim, name string, data []byte) error {
	f, err := newFile(bytes.NewReader(data), int64(len(data)), name)
	if err != nil {
		return err
	}
	if _, err := f.LoadByName(v.model, true); err != nil && f.HasNames() {
		return err
	}
	if _, _, err := f.model(v.backend); err != nil {
		return err
	}
	return nil
}

// hostileVictim has the model into which hostile files are loaded.
func hostileVictim(t *testing.T) *victim {
	net, err := nn.Build(small())
	if err != nil {
		t.Fatal(err)
	}
	return newVictim(t, net)
}

// variations is how many files of each kind a test generates.
func variations() int {
	if testing.Short() {
		return 20
	}
	return 200
}

func TestHostileCases(t *testing.T) {
	v := hostileVictim(t)
	for name, want := range map[string]string{
		"chunk_in_zip.keras":    "chunks of shape",
		"names_4000x4000.h5":    `two layers are named "a"`,
		"layers_5m.keras":       "far more memory",
		"huge_pictures.h5":      "MB of memory, far more than",
		"esc_path.h5":           "missing",
		"esc_dtype.safetensors": `unknown type "\x1b[31mF9"`,
	} {
		data, err := os.ReadFile(filepath.Join("testdata", "hostile", name))
		if err != nil {
			t.Fatal(err)
		}
		hostile(t, v, name, data, want)
	}
}

// TestLargeModels reads deep networks with all the settings that Keras writes, which the budget of
// even an empty file allows.
func TestLargeModels(t *testing.T) {
	data, err := os.ReadFile("testdata/windows_paths.keras")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Config struct{ Layers []json.RawMessage }
	}
	if err := json.Unmarshal(unzip(t, data)[configName], &config); err != nil {
		t.Fatal(err)
	}
	input, conv, last := config.Config.Layers[0], string(config.Config.Layers[1]), config.Config.Layers[3:]
	layers := []string{string(input)}
	for i := range 1000 {
		layers = append(layers, strings.Replace(conv, `"name": "conv2d"`, fmt.Sprintf(`"name": "conv2d_%d"`, i), 1))
	}
	for _, l := range last {
		layers = append(layers, string(l))
	}
	if _, _, err := networkOf(model(layers...)); err != nil {
		t.Error(err)
	}
}

// TestHostileChunks declares chunks that are larger than their data, stored in an archive or not.
func TestHostileChunks(t *testing.T) {
	v := hostileVictim(t)
	archive, err := os.ReadFile("testdata/hostile/chunk_in_zip.keras")
	if err != nil {
		t.Fatal(err)
	}
	parts := unzip(t, archive)
	good := parts[weightsName]
	dims := func(rows, columns uint32) []byte {
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, rows), columns)
	}
	at := bytes.Index(good, append(dims(16, 1<<22), 4, 0, 0, 0))
	if at < 0 {
		t.Fatal("no chunks of 16 rows and 4194304 columns")
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range variations() {
		rows := 12 + uint32(r.IntN(1<<r.IntN(20)))
		columns := uint32(1<<21/rows) + 1 + uint32(r.Uint64N(1<<r.IntN(30)/uint64(rows)+1))
		data := bytes.Clone(good)
		copy(data[at:], dims(rows, columns))
		name := fmt.Sprintf("chunks of %dx%d", rows, columns)
		switch i % 3 {
		case 0:
			hostile(t, v, name+".weights.h5", data, "chunks of shape")
		default:
			parts[weightsName] = data
			hostile(t, v, name+".keras", zipped(t, []uint16{zip.Store, zip.Deflate}[i%3-1], parts), "chunks of shape")
		}
	}
}

// written returns the bytes of an HDF5 file.
func written(t *testing.T, tree *hdf5.Tree) []byte {
	t.Helper()
	var data bytes.Buffer
	if err := tree.Write(&data); err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}

// TestHostileNames repeats names of layers and weights, spelled in one way or in many.
func TestHostileNames(t *testing.T) {
	v := hostileVictim(t)
	r := rand.New(rand.NewPCG(2, 2))
	spell := func(name string, n int) []string { // n spellings of a path
		list := make([]string, n)
		for i := range list {
			var b strings.Builder
			for bit := i + 1; bit > 1; bit /= 2 {
				b.WriteString([]string{"./", ".//"}[bit%2])
			}
			list[i] = b.String() + name
		}
		return list
	}
	repeat := func(name string, n int) []string { return strings.Split(strings.Repeat(name+" ", n-1)+name, " ") }
	for range variations() {
		layers, weights := 2+r.IntN(4000), 2+r.IntN(4000)
		kind := r.IntN(4)
		make := []func(string, int) []string{repeat, spell}
		tree := hdf5.NewTree()
		g := tree
		if r.IntN(2) == 0 {
			g = tree.Group(weightsGroup)
		}
		putNames(g, layerNames, make[kind%2]("a", layers))
		a := g.Group("a")
		putNames(a, weightNames, make[kind/2]("b", weights))
		a.Floats("b", []int{1}, func(dst []float32, _ int) error { return nil })
		want := []string{"two layers are named", "one group", "two layers are named", "one group"}[kind]
		if kind < 2 {
			want = "" // the layer's weights may be rejected first
		}
		hostile(t, v, fmt.Sprintf("%d layers, %d weights, kind %d", layers, weights, kind), written(t, tree), want)
	}
}

// TestHostileStrings shares one long string of variable length among many names.
func TestHostileStrings(t *testing.T) {
	v := hostileVictim(t)
	r := rand.New(rand.NewPCG(3, 3))
	for range variations() {
		n, long := 2+r.IntN(4000), 70000+r.IntN(1<<r.IntN(22))
		list := make([]string, n)
		for i := range list {
			list[i] = "x"
		}
		list[0] = strings.Repeat("y", long)
		attribute := []string{layerNames, configAttribute, aboutKey, weightNames}[r.IntN(4)]
		tree := hdf5.NewTree()
		if attribute == weightNames {
			tree.Attr(layerNames, []string{"a"})
			tree.Group("a").Attr(attribute, list)
		} else {
			tree.Attr(attribute, list)
		}
		data := written(t, tree)
		// A reference is a length, an address and an index, 1 of the first.
		length, first := binary.LittleEndian.AppendUint32(nil, uint32(long)), 0
		for binary.LittleEndian.Uint32(data[first+12:]) != 1 || !bytes.HasPrefix(data[first:], length) {
			first++
		}
		for i := 1; i < n; i++ {
			copy(data[first+16*i:], data[first:first+16])
		}
		hostile(t, v, fmt.Sprintf("%s: %d times a string of %d", attribute, n, long), data, "")
	}
}

// TestHostileJSON has JSON that takes much more memory than its text, which an archive compresses.
func TestHostileJSON(t *testing.T) {
	v := hostileVictim(t)
	r := rand.New(rand.NewPCG(4, 4))
	pieces := []string{`{}`, `[]`, `null`, `0`, `""`, `{"class_name":"ReLU","config":{"name":"r"}}`,
		`{"a":[{"b":[0]}]}`, "\"" + strings.Repeat("x", 999) + "\""}
	for i := range variations() {
		size := 1 << (19 + r.IntN(4))
		piece := pieces[r.IntN(len(pieces))]
		list := "[" + strings.Repeat(piece+",", size/(len(piece)+1)) + piece + "]"
		if r.IntN(4) == 0 { // distinct keys
			var b strings.Builder
			for k := 0; b.Len() < size; k++ {
				fmt.Fprintf(&b, `"k%d":%s,`, k, piece)
			}
			list = "{" + b.String() + `"k":0}`
		}
		config := []string{`{"class_name":"Sequential","config":{"layers":%s}}`, `{"class_name":"Sequential","config":%s}`,
			`{"class_name":"Sequential","config":{"layers":[{"class_name":"Dense","config":%s}]}}`, `{"class_name":%s}`, `%s`}[r.IntN(5)]
		config = fmt.Sprintf(config, list)
		tree := hdf5.NewTree()
		tree.Group("layers/dense/vars")
		switch i % 5 {
		case 0:
			hostile(t, v, "config.json",
				zipped(t, zip.Deflate, map[string][]byte{configName: []byte(config), weightsName: written(t, tree)}),
				"")
		case 1:
			about := fmt.Sprintf([]string{`{"lamina":{"labels":%s}}`, `{"lamina":%s}`, `{"x":%s,"lamina":7}`}[r.IntN(3)], list)
			hostile(t, v, "metadata.json", zipped(t, zip.Deflate, map[string][]byte{metadataName: []byte(about),
				configName: []byte(model(inputJSON, convJSON, flattenJSON, denseJSON)), weightsName: written(t, tree)}),
				"")
		case 2:
			tree.Attr([]string{configAttribute, aboutKey}[r.IntN(2)], config)
			hostile(t, v, "attribute.h5", written(t, tree), "")
		default:
			text := fmt.Sprintf(`{"__metadata__":{"network":%q},"a/b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, config)
			if i%5 == 4 {
				text = fmt.Sprintf([]string{`{"a/b":{"dtype":"F32","shape":%s,"data_offsets":[0,0]}}`, `{"__metadata__":%s}`,
					`{"a/b":%s}`, `%s`}[r.IntN(4)], list)
			}
			data := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
			hostile(t, v, "header.safetensors", append(data, text...), "")
		}
	}
}

// TestHostileImages declares images that need gigabytes, in networks with few weights.
func TestHostileImages(t *testing.T) {
	v := hostileVictim(t)
	r := rand.New(rand.NewPCG(5, 5))
	for range variations() {
		height, width := 1<<(11+r.IntN(6))+r.IntN(1000), 1<<(12+r.IntN(6))+r.IntN(1000)
		filters := 1 + r.IntN(8)
		layers := []string{
			fmt.Sprintf(`{"class_name":"InputLayer","config":{"batch_input_shape":[null,%d,%d,3],"name":"in"}}`,
				height, width),
			fmt.Sprintf(`{"class_name":"Conv2D","config":{"name":"c","filters":%d,"kernel_size":[3,3],"padding":"same"}}`, filters)}
		h, w := height, width
		for ; h > 1 && w > 1; h, w = h/2, w/2 {
			layers = append(layers, fmt.Sprintf(`{"class_name":"MaxPooling2D","config":{"name":"p%d"}}`, len(layers)))
		}
		if r.IntN(2) == 0 { // not at the beginning
			layers[1], layers[2] = layers[2], layers[1]
		}
		layers = append(layers, flattenJSON, denseJSON)
		tree := hdf5.NewTree()
		tree.Attr(configAttribute, model(layers...))
		none := func(dst []float32, _ int) error { clear(dst); return nil }
		tree.Attr(layerNames, []string{"c", "d"})
		tree.Group("c").Attr(weightNames, []string{"k", "b"})
		tree.Floats("c/k", []int{3, 3, 3, filters}, none)
		tree.Floats("c/b", []int{filters}, none)
		tree.Group("d").Attr(weightNames, []string{"k", "b"})
		tree.Floats("d/k", []int{h * w * filters, 5}, none)
		tree.Floats("d/b", []int{5}, none)
		hostile(t, v, fmt.Sprintf("images of %dx%d", height, width), written(t, tree), "MB of memory")
	}
}

// TestHostileArchives has archives with entries that expand, whatever size they claim, or with
// many.
func TestHostileArchives(t *testing.T) {
	v := hostileVictim(t)
	r := rand.New(rand.NewPCG(6, 6))
	var bombs []*zip.File // zeros
	for i := range 6 {
		data := zipped(t, zip.Deflate, map[string][]byte{"bomb": make([]byte, 50<<20+i*7<<20)})
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		bombs = append(bombs, z.File[0])
	}
	tree := hdf5.NewTree()
	tree.Group("layers/dense/vars")
	weights := written(t, tree)
	for i := range variations() {
		var data bytes.Buffer
		w := zip.NewWriter(&data)
		victim := []string{configName, metadataName, weightsName}[r.IntN(3)]
		for name, contents := range map[string]string{metadataName: "{}", weightsName: string(weights),
			configName: model(inputJSON, convJSON, flattenJSON, denseJSON)} {
			if name == victim {
				continue
			}
			p, err := w.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Write([]byte(contents)); err != nil {
				t.Fatal(err)
			}
		}
		bomb := bombs[r.IntN(len(bombs))]
		header := bomb.FileHeader
		header.Name = victim
		want := "far more memory"
		switch r.IntN(3) {
		case 0: // a lie
			header.UncompressedSize64 = uint64(r.Uint32())
			want = ""
		case 1:
			header.UncompressedSize64 = 1<<63 + r.Uint64N(1<<63)
		}
		raw, err := bomb.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.CreateRaw(&header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(p, raw); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			want = ""
			for n := range 1000 << r.IntN(8) {
				if _, err := w.Create(fmt.Sprint(n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		hostile(t, v, fmt.Sprintf("%s claims %d.keras", victim, header.UncompressedSize64), data.Bytes(), want)
	}
}

// TestHostileMetadata has many small layers: each takes more memory than bytes in the file.
func TestHostileMetadata(t *testing.T) {
	v := hostileVictim(t)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 3 {
		// A list of names in as many attributes.
		tree := hdf5.NewTree()
		n := 5000 << i
		for i := range n {
			tree.Attr(fmt.Sprint(layerNames, i), []string{fmt.Sprint("l", i)})
		}
		hostile(t, v, fmt.Sprintf("%d attributes", n), written(t, tree), "")
	}
	for range variations() / 10 {
		// Many layers with weights: every thing in a file of HDF5 takes more in memory than there.
		tree := hdf5.NewTree()
		var names []string
		for i := range 1000 << r.IntN(6) {
			name := fmt.Sprint("l", i)
			names = append(names, name)
			tree.Group(name).Attr(weightNames, []string{"w"})
			tree.Floats(name+"/w", []int{0}, func([]float32, int) error { return nil })
		}
		putNames(tree, layerNames, names)
		hostile(t, v, fmt.Sprintf("%d layers", len(names)), written(t, tree), "")
	}
}
