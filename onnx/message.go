package onnx

import "google.golang.org/protobuf/encoding/protowire"

// Numbers of the fields and values in onnx.proto3 that the encoder uses
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
const (
	modelIRVersion, modelProducer, modelGraph, modelOpset, modelMetadata = 1, 2, 7, 8, 14

	opsetVersion         = 2
	entryKey, entryValue = 1, 2

	graphNode, graphName, graphInitializer, graphInput, graphOutput = 1, 2, 5, 11, 12

	nodeInput, nodeOutput, nodeName, nodeType, nodeAttribute = 1, 2, 3, 4, 5

	attributeName, attributeFloat, attributeInt, attributeInts, attributeKind = 1, 2, 3, 8, 20
	kindFloat, kindInt, kindInts                                              = 1, 2, 7

	tensorDims, tensorKind, tensorName, tensorData = 1, 2, 8, 9
	float32Tensor, int64Tensor                     = 1, 7

	valueName, valueType         = 1, 2
	typeTensor                   = 1
	tensorTypeKind, tensorShape  = 1, 2
	shapeDim                     = 1
	dimensionSize, dimensionName = 1, 2
)

// message is an encoded protobuf message.
type message []byte

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) string(field protowire.Number, v string) { m.bytes(field, []byte(v)) }

func (m *message) strings(field protowire.Number, all []string) {
	for _, v := range all {
		m.string(field, v)
	}
}

func (m *message) int(field protowire.Number, v int) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

// ints appends a packed field.
func (m *message) ints(field protowire.Number, all []int) {
	var packed []byte
	for _, v := range all {
		packed = protowire.AppendVarint(packed, uint64(v))
	}
	m.bytes(field, packed)
}

func (m *message) float(field protowire.Number, bits uint32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, field, protowire.Fixed32Type), bits)
}

// head returns what stands before the n bytes of a field.
func head(field protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(n))
}
