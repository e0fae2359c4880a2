// Package keras reads and writes models and weights in the formats of Keras 2 and 3: whole models
// (.h5, .keras, or model.json beside a file of weights), weights only (.h5 by layer names,
// .weights.h5), and safetensors files, the format of this program's checkpoints.
//
// [Open] recognizes the format by the file's contents. [OpenModel] creates the model of a file with
// a whole one; [File.LoadByName] sets weights by layer names, [File.Load] in order. Everything is
// checked before anything is changed. [Save] writes a model. Package classify classifies images
// with the models of such files.
package keras
