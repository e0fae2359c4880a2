// Package nn has networks of layers in sequence, the VGG table among them, and trains them:
// initialisers, learning-rate schedules, the trainer, checkpoints and prediction. It speaks
// to the machine only through package backend.
//
// A Sequential is a network as data; Build checks it and gives a Network, whose layers and
// weights have names, shapes and places. A Model is a Network with its weights on a
// backend; a Predictor classifies with it, a Trainer trains it. The meanings are Keras's:
// names of layers and weights, order of weights, what a loss contains.
package nn
