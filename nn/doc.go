// Package nn builds, trains and runs image classifiers: networks of layers in sequence or as a
// graph, the VGG networks and ResNets among them. It has initializers, learning-rate schedules,
// optimizers, a trainer, checkpoints and prediction. It reaches the machine only through package
// backend.
//
// A Sequential is a network as data. Each layer takes the output of the one before it. Residual
// adds a shortcut, and From, Add and Concatenate name the layers whose outputs they take. Build
// checks it and returns a Network, whose layers and weights have names, shapes and offsets. A Model
// is a Network with its weights on a backend. A Predictor classifies with it, a Trainer trains it.
// Names, order of weights and the loss are Keras's.
//
// To fine-tune an opened Model, NewHead replaces its last layer, Freeze names the layers that keep
// their weights, and Config.From starts the training with those of the Model. Frozen layers have no
// gradients, and below the last trained layer there is no backward pass. Their L2 penalties do not
// count, as in Keras 3.
//
// Package classify opens saved models, and classifies images with them.
//
// Models and Predictors are safe for use by multiple goroutines. Close frees the memory of each.
package nn
