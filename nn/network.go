package nn

import "github.com/lamina-go/lamina/tensor"

// Sequential is a network as data: a sequence of layers. Each takes the output of the one before
// it, except where From, Add, Concatenate or Residual says otherwise.
type Sequential struct {
	Input   tensor.Shape // of one image: (height, width, channels)
	Classes int
	Layers  []Layer
	// Output says how the last layer's output, the logits, becomes probabilities.
	Output Output
	// Frozen names the layers and single weights ("conv1/kernel") that do not train: they keep their
	// values, and have no penalty. A frozen BatchNorm is in inference mode. See Freeze.
	Frozen []string

	// Labels are the names of the classes, nil if unknown.
	Labels []string
	// Mean and Std, one value per channel, are the normalization of the input: a pixel p from 0 to
	// 255 becomes (p − Mean)/Std. Both are nil if unknown.
	Mean, Std []float32
	// Raw says that the model does the normalization in Keras: its files have a layer for it.
	Raw bool
	// Resize says how images of another size are brought to that of the input.
	Resize Resize
}

// Resize says how an image of other proportions is brought to the size of a network's input.
type Resize string

// The ways to resize.
const (
	Squash Resize = ""     // each side by itself
	Crop   Resize = "crop" // fill the size, and cut the longer side off at both ends
	Pad    Resize = "pad"  // show all of the image, on black
)

// Output is how logits become the probabilities of the classes.
type Output string

// The outputs.
const (
	SoftmaxOutput Output = ""        // a logit for each class, then their softmax
	SigmoidOutput Output = "sigmoid" // two classes and one logit, whose sigmoid is the probability of class 1
	LogitsOutput  Output = "logits"  // as SoftmaxOutput, but files have no softmax
)

// Network is a checked Sequential. It does not change.
type Network struct {
	Sequential
	// Table lists the layers with their names and shapes, each after those whose outputs it takes.
	// The last row is the function of the Output, if files have one.
	Table []LayerInfo
	// Weights lists all weights in Keras's order: by layer; kernel, bias or gamma,
	// beta, moving_mean, moving_variance.
	Weights []Weight
	// ParameterSize and StatisticSize are the sizes of the flat tensors that hold the
	// trainable and the other weights.
	ParameterSize, StatisticSize int

	byName map[string]int // indices of Weights
}

// LayerInfo is a row of a network's table.
type LayerInfo struct {
	Name    string       // unique in the network
	Class   string       // Keras's
	Layer   Layer        // never a From or a Residual; nil in the row of the Output
	Inputs  []int        // rows whose outputs it takes; −1 is the images
	Output  tensor.Shape // of one image
	Frozen  bool
	Weights []Weight
}

// Parameters returns the number of elements in the layer's weights.
func (l LayerInfo) Parameters() (trainable, other int) {
	for _, w := range l.Weights {
		if w.Trainable {
			trainable += w.Shape.Size()
		} else {
			other += w.Shape.Size()
		}
	}
	return trainable, other
}

// Parameters returns the number of elements in all weights.
func (net *Network) Parameters() (trainable, other int) {
	for _, layer := range net.Table {
		t, o := layer.Parameters()
		trainable += t
		other += o
	}
	return trainable, other
}

// Weight is a weight of a network. Offset is its position in the flat tensor of trainable or of
// other weights, those of frozen layers among them.
type Weight struct {
	Name      string // "<layer>/<weight>"
	Shape     tensor.Shape
	Trainable bool
	Offset    int
	// FanIn and FanOut count the products per output and per input of a kernel, zero for
	// other weights.
	FanIn, FanOut int
	L2            float32 // λ of the penalty λ·Σw²

	start  float32 // initial value of a weight that is not a kernel
	copied bool    // it lies among the constants of a Trainer
}

// Weight returns the weight of that full name.
func (net *Network) Weight(name string) (Weight, bool) {
	i, ok := net.byName[name]
	if !ok {
		return Weight{}, false
	}
	return net.Weights[i], true
}
