// Package onnx writes trained networks as ONNX models (https://onnx.ai), for ONNX Runtime, OpenVINO
// and whatever else reads them. A model contains the preparation of pixels and the softmax: it maps
// images with pixel values from 0 to 255 to the probabilities of the classes.
package onnx
