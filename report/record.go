package report

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// An event file is a sequence of records, each a serialized Event of
// tensorflow/core/util/event.proto between its length and checksums:
//
//	uint64 length, uint32 masked CRC of the length, data, uint32 masked CRC of the data
//
// all little-endian.

// recordHead is the size of a record before its data.
const recordHead = 12

// record returns the record of an event at a wall time in seconds, on which its length does not
// depend.
type record func(wall float64) []byte

// wallTime returns the time of a record of this package: the first field of the event, a float64
// after a tag of one byte.
func wallTime(record []byte) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(record[recordHead+1:]))
}

// maskedCRC is the CRC-32C of the data, masked because CRCs of data that contains CRCs are weak.
func maskedCRC(data []byte) uint32 {
	crc := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return crc>>15 | crc<<17 + 0xa282ead8
}

func frame(event []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(event)))
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(b))
	b = append(b, event...)
	return binary.LittleEndian.AppendUint32(b, maskedCRC(event))
}

// header returns the first record of an event file.
func header(wall float64) []byte {
	event := appendWall(nil, wall)
	event = appendBytes(event, 3, []byte("brain.Event:2"))         // file_version
	event = appendBytes(event, 10, appendString(nil, 1, "lamina")) // source_metadata.writer
	return frame(event)
}

// scalar returns the record of a value at a step as Keras 2.15 writes it: a tensor without
// dimensions, for the plug-in "scalars".
func scalar(tag string, step int, value float64) record {
	content := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(value)))
	tensor := appendInt(nil, 1, 1)                                   // dtype: DT_FLOAT
	tensor = appendBytes(tensor, 2, nil)                             // tensor_shape
	tensor = appendBytes(tensor, 4, content)                         // tensor_content
	metadata := appendBytes(nil, 1, appendString(nil, 1, "scalars")) // plugin_data.plugin_name
	named := appendBytes(appendString(nil, 1, tag), 8, tensor)
	named = appendBytes(named, 9, metadata)
	return func(wall float64) []byte {
		event := appendWall(nil, wall)
		if step != 0 {
			event = appendInt(event, 2, uint64(step))
		}
		return frame(appendBytes(event, 5, appendBytes(nil, 1, named))) // summary.value
	}
}

func appendWall(b []byte, wall float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, 1, protowire.Fixed64Type), math.Float64bits(wall))
}

func appendBytes(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}

func appendString(b []byte, field protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), value)
}

func appendInt(b []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), value)
}
