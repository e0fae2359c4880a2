// Package keras reads and writes models and weights as files of Keras 2 and 3: whole models (.h5,
// .keras), weights only (.h5 by names of layers, .weights.h5), and also safetensors files, in which this
// program keeps its checkpoints.
//
// [Open] tells the forms apart by what is in the file. [OpenModel] makes a model of a file that has a
// whole one; [File.LoadByName] gives layers the weights that a file has under their names,
// [File.Load] those at their place. Everything is checked before anything is changed. [Save] writes a model.
package keras
