package nn

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/tensor"
)

// sequentialJSON is the form of a Sequential in a file.
type sequentialJSON struct {
	Input   tensor.Shape `json:"input"`
	Classes int          `json:"classes"`
	Layers  []layerJSON  `json:"layers"`
	Output  Output       `json:"output,omitempty"`
	Frozen  []string     `json:"frozen,omitempty"`
	Labels  []string     `json:"labels,omitempty"`
	Mean    []float32    `json:"mean,omitempty"`
	Std     []float32    `json:"std,omitempty"`
	Raw     bool         `json:"raw,omitempty"`
	Resize  Resize       `json:"resize,omitempty"`
}

type layerJSON struct {
	Class  string          `json:"class"`
	Config json.RawMessage `json:"config"`
}

// fromJSON and residualJSON are the configurations of a From and a Residual.
type fromJSON struct {
	Input string    `json:"input"`
	Layer layerJSON `json:"layer"`
}

type residualJSON struct {
	Name     string      `json:"name,omitempty"`
	Layers   []layerJSON `json:"layers"`
	Shortcut []layerJSON `json:"shortcut,omitempty"`
}

// MarshalJSON encodes the network as in a checkpoint.
func (s Sequential) MarshalJSON() ([]byte, error) {
	layers, err := encodeLayers(s.Layers)
	if err != nil {
		return nil, err
	}
	return json.Marshal(sequentialJSON{s.Input, s.Classes, layers, s.Output, s.Frozen, s.Labels, s.Mean, s.Std, s.Raw, s.Resize})
}

// UnmarshalJSON decodes what MarshalJSON encoded. It does not check the network; Build does.
func (s *Sequential) UnmarshalJSON(data []byte) error {
	var in sequentialJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	layers, err := decodeLayers(in.Layers, 0)
	if err != nil {
		return err
	}
	*s = Sequential{in.Input, in.Classes, layers, in.Output, in.Frozen, in.Labels, in.Mean, in.Std, in.Raw, in.Resize}
	return nil
}

func encodeLayers(layers []Layer) (out []layerJSON, err error) {
	for _, l := range layers {
		encoded, err := encodeLayer(l)
		if err != nil {
			return nil, err
		}
		out = append(out, encoded)
	}
	return out, nil
}

func encodeLayer(l Layer) (out layerJSON, err error) {
	var config any = l
	switch l := l.(type) {
	case From:
		out.Class = "From"
		of, err := encodeLayer(l.Layer)
		if err != nil {
			return out, err
		}
		config = fromJSON{l.Input, of}
	case Residual:
		out.Class = "Residual"
		both := residualJSON{Name: l.Name}
		if both.Layers, err = encodeLayers(l.Layers); err != nil {
			return out, err
		}
		if both.Shortcut, err = encodeLayers(l.Shortcut); err != nil {
			return out, err
		}
		config = both
	default:
		out.Class, _ = l.class()
	}
	out.Config, err = json.Marshal(config)
	return out, err
}

// maxNesting is how deep a file may nest layers: decoding takes time that grows with the square.
const maxNesting = 32

func decodeLayers(layers []layerJSON, depth int) (out []Layer, err error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nn: layers nested more than %d deep", maxNesting)
	}
	for _, l := range layers {
		layer, err := decodeLayer(l, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, layer)
	}
	return out, nil
}

func decodeLayer(l layerJSON, depth int) (Layer, error) {
	if len(l.Config) == 0 {
		return nil, fmt.Errorf("nn: a layer of class %q without a configuration", l.Class)
	}
	switch l.Class {
	case "Conv2D":
		return decode[Conv2D](l.Config)
	case "DepthwiseConv2D":
		return decode[DepthwiseConv2D](l.Config)
	case "SeparableConv2D":
		return decode[SeparableConv2D](l.Config)
	case "ZeroPadding2D":
		return decode[ZeroPadding](l.Config)
	case "BatchNormalization":
		return decode[BatchNorm](l.Config)
	case "Activation":
		return decodeActivation(l.Config)
	case "Softmax":
		return decode[Softmax](l.Config)
	case "MaxPooling2D":
		return decode[MaxPool](l.Config)
	case "AveragePooling2D":
		return decode[AveragePool](l.Config)
	case "GlobalAveragePooling2D":
		return decode[GlobalAveragePool](l.Config)
	case "GlobalMaxPooling2D":
		return decode[GlobalMaxPool](l.Config)
	case "Flatten":
		return decode[Flatten](l.Config)
	case "Dense":
		return decode[Dense](l.Config)
	case "Dropout":
		return decode[Dropout](l.Config)
	case "Add":
		return decode[Add](l.Config)
	case "Concatenate":
		return decode[Concatenate](l.Config)
	case "From":
		var in fromJSON
		if err := json.Unmarshal(l.Config, &in); err != nil {
			return nil, err
		}
		layers, err := decodeLayers([]layerJSON{in.Layer}, depth+1)
		if err != nil {
			return nil, err
		}
		return From{in.Input, layers[0]}, nil
	case "Residual":
		var in residualJSON
		if err := json.Unmarshal(l.Config, &in); err != nil {
			return nil, err
		}
		layers, err := decodeLayers(in.Layers, depth+1)
		shortcut, other := decodeLayers(in.Shortcut, depth+1)
		return Residual{in.Name, layers, shortcut}, errors.Join(err, other)
	}
	return nil, fmt.Errorf("nn: unknown class of layer %q", l.Class)
}

// decodeActivation decodes an Activation, or a ReLU, which has no function.
func decodeActivation(config []byte) (Layer, error) {
	var a struct {
		Name     string
		Function *tensor.Function
	}
	if err := json.Unmarshal(config, &a); err != nil {
		return nil, err
	}
	if a.Function == nil {
		return ReLU{a.Name}, nil
	}
	return Activation{a.Name, *a.Function}, nil
}

func decode[L Layer](config []byte) (Layer, error) {
	var l L
	err := json.Unmarshal(config, &l)
	return l, err
}
