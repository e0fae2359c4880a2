package keras

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/lamina-go/lamina/internal/atomicfile"
	"github.com/lamina-go/lamina/internal/hdf5"
	"github.com/lamina-go/lamina/internal/safetensors"
	"github.com/lamina-go/lamina/nn"
)

// Training is what Keras needs to continue the training of a saved model by SGD.
type Training struct {
	LearningRate float64
	Momentum     float32 // Nesterov's
	State        *nn.State
}

// writers returns the functions that write models, by file name suffix.
func writers() map[string]func(io.Writer, *nn.Model, *Training) error {
	return map[string]func(io.Writer, *nn.Model, *Training) error{
		".h5": writeModel, ".weights.h5": writeWeights, ".keras": writeArchive, ".safetensors": writeSafetensors}
}

// writer returns the function that writes a file of that name.
func writer(path string) (func(io.Writer, *nn.Model, *Training) error, error) {
	ending := ""
	for e := range writers() {
		if strings.HasSuffix(path, e) && len(e) > len(ending) {
			ending = e
		}
	}
	if ending == "" {
		return nil, fmt.Errorf("%s: the name must end in .h5, .keras or .safetensors, which selects the format", path)
	}
	return writers()[ending], nil
}

// CheckPath returns an error unless the suffix of a path selects a format of [Save].
func CheckPath(path string) error {
	_, err := writer(path)
	return err
}

// Save writes a model in the format that the suffix of path selects: .h5 or .keras for Keras 2 and
// 3, .keras with the optimizer's state, .safetensors, or .weights.h5 for weights only. Training, if
// not nil, makes it a compiled model, unless its state is of another optimizer than SGD. Save
// replaces the file at path once the new one is complete on disk; after an error the old one
// remains.
func Save(path string, m *nn.Model, t *Training) error {
	write, err := writer(path)
	if err != nil {
		return fmt.Errorf("keras: %w", err)
	}
	if t != nil && t.State != nil && t.State.Optimizer != "" {
		t = nil
	}
	err = atomicfile.Write(path, func(w io.Writer) error { return write(w, m, t) })
	if err != nil {
		return fmt.Errorf("keras: %s was not saved: %w", path, err)
	}
	return nil
}

// writeModel writes a whole model as HDF5.
func writeModel(w io.Writer, m *nn.Model, t *Training) error {
	described, err := describe(m.Network, legacy)
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{"class_name": described.class(), "config": described.configJSON(legacy)})
	if err != nil {
		return err
	}
	added, err := json.Marshal(aboutOf(&m.Sequential))
	if err != nil {
		return err
	}
	root := hdf5.NewTree()
	root.Attr(configAttribute, string(config))
	root.Attr(versionAttribute, described.version)
	root.Attr(backendAttribute, "tensorflow")
	root.Attr(aboutKey, string(added))
	if t != nil {
		compiled := compileJSON(m.Network, legacy)
		compiled["optimizer_config"] = map[string]any{"class_name": "SGD", "config": sgdJSON(t)}
		text, err := json.Marshal(compiled)
		if err != nil {
			return err
		}
		root.Attr(trainingAttribute, string(text))
	}
	g := root.Group(weightsGroup)
	g.Attr(versionAttribute, described.version)
	g.Attr(backendAttribute, "tensorflow")
	var layers []string
	for i, l := range described.rows {
		if err := checkName(l.name); err != nil {
			return err
		}
		layers = append(layers, l.name)
		group := g.Group(l.name)
		var weights []string
		for _, w := range m.Table[i].Weights {
			name := l.name + w.Name[strings.LastIndex(w.Name, "/"):] + ":0"
			weights = append(weights, name)
			group.Floats(name, w.Shape, reader(m, w))
		}
		putNames(group, weightNames, weights)
	}
	putNames(g, layerNames, layers)
	return root.Write(w)
}

// checkName rejects layer names that Keras and HDF5 do not allow.
func checkName(name string) error {
	if name == "." || name == "" {
		return fmt.Errorf("layer %q: Keras does not allow this name", name)
	}
	return nil
}

func reader(m *nn.Model, w nn.Weight) func(dst []float32, first int) error {
	return func(dst []float32, first int) error { return m.ReadPart(w, dst, first) }
}

// maxAttribute is the largest list of names, in bytes, that is not split. With the head of the
// attribute it stays within 64,512 bytes, from which on Keras splits lists.
const maxAttribute = 64000

// putNames sets an attribute to a list of names, or several attributes if it is long.
func putNames(t *hdf5.Tree, attribute string, names []string) {
	longest := 1
	for _, name := range names {
		longest = max(longest, len(name))
	}
	if len(names)*longest <= maxAttribute {
		t.Attr(attribute, names)
		return
	}
	each := max(1, maxAttribute/longest)
	for i := 0; i*each < len(names); i++ {
		t.Attr(fmt.Sprint(attribute, i), names[i*each:min((i+1)*each, len(names))])
	}
}

// writeWeights writes weights by class, and the optimizer's state.
func writeWeights(w io.Writer, m *nn.Model, t *Training) error {
	described, err := describe(m.Network, modules)
	if err != nil {
		return err
	}
	root := hdf5.NewTree()
	var classes []string
	for _, l := range described.rows {
		classes = append(classes, l.class)
	}
	for i, key := range classKeys(classes) {
		vars := root.Group(layersGroup + "/" + key + "/" + varsGroup)
		for j, w := range m.Table[i].Weights {
			vars.Floats(fmt.Sprint(j), w.Shape, reader(m, w))
		}
	}
	root.Group(varsGroup)
	if t != nil && t.State != nil {
		vars := root.Group(optimizerGroup + "/" + varsGroup)
		vars.Ints("0", nil, []int64{int64(t.State.Step)})
		vars.Floats("1", nil, func(dst []float32, _ int) error {
			dst[0] = float32(t.LearningRate)
			return nil
		})
		n := 2
		for _, w := range m.Weights {
			if !w.Trainable {
				continue
			}
			vars.Floats(fmt.Sprint(n), w.Shape, func(dst []float32, first int) error {
				return t.State.ReadVelocity(w, dst, first)
			})
			n++
		}
	}
	return root.Write(w)
}

// writeArchive writes a whole model as .keras.
func writeArchive(w io.Writer, m *nn.Model, t *Training) error {
	described, err := describe(m.Network, modules)
	if err != nil {
		return err
	}
	class := described.class()
	if described.functional {
		class = "Model" // which Keras 2 and 3 both find in the module
	}
	model := map[string]any{"module": "keras", "class_name": class, "registered_name": nil,
		"config":       described.configJSON(modules),
		"build_config": map[string]any{"input_shape": batchShape(m.Network)}}
	if t != nil {
		compiled := compileJSON(m.Network, modules)
		compiled["optimizer"] = map[string]any{"module": "keras.optimizers", "class_name": "SGD",
			"registered_name": nil, "config": sgdJSON(t)}
		model["compile_config"] = compiled
	}
	metadata := map[string]any{versionAttribute: described.version, aboutKey: aboutOf(&m.Sequential)}
	z := zip.NewWriter(w)
	for _, entry := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{metadataName, func(w io.Writer) error { return json.NewEncoder(w).Encode(metadata) }},
		{configName, func(w io.Writer) error { return json.NewEncoder(w).Encode(model) }},
		{weightsName, func(w io.Writer) error { return writeWeights(w, m, t) }},
	} {
		p, err := z.CreateHeader(&zip.FileHeader{Name: entry.name, Method: zip.Store})
		if err != nil {
			return err
		}
		if err := entry.write(p); err != nil {
			return err
		}
	}
	return z.Close()
}

// writeSafetensors writes a model as safetensors, each weight by its name.
func writeSafetensors(w io.Writer, m *nn.Model, _ *Training) error {
	network, err := json.Marshal(m.Sequential)
	if err != nil {
		return err
	}
	h := &safetensors.Header{Metadata: map[string]string{nn.FormatKey: "lamina model 1", nn.NetworkKey: string(network)}}
	for _, w := range m.Weights {
		h.Entries = append(h.Entries, safetensors.Entry{Name: w.Name, Type: "F32", Shape: w.Shape})
	}
	if err := safetensors.WriteHeader(w, h); err != nil {
		return err
	}
	buffer := make([]float32, 1<<18)
	for _, weight := range m.Weights {
		for at, n := 0, weight.Shape.Size(); at < n; at += len(buffer) {
			values := buffer[:min(len(buffer), n-at)]
			if err := m.ReadPart(weight, values, at); err != nil {
				return err
			}
			if err := safetensors.WriteFloats(w, values); err != nil {
				return err
			}
		}
	}
	return nil
}
