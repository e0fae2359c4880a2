// Package nn builds, trains and runs networks of layers in sequence, the VGG networks among them.
// It has initializers, learning-rate schedules, a trainer, checkpoints and prediction. It reaches
// the machine only through package backend.
//
// A Sequential is a network as data. Build checks it and returns a Network, whose layers and
// weights have names, shapes and offsets. A Model is a Network with its weights on a backend. A
// Predictor classifies with it, a Trainer trains it. Names, order of weights and the loss are
// Keras's.
//
// Package classify opens saved models, and classifies images with them.
//
// Models and Predictors are safe for use by multiple goroutines. Close frees the memory of each.
package nn
