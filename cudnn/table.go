//go:build cudnn && cgo && linux

package cudnn

// #include "launch.h"
import "C"

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
)

// A table of choices has the algorithms of the passes of convolutions. What was measured is kept in
// the cache folder, for all cards and versions together, since to measure takes longer than some
// steps and does not always come out the same.
const tableFile = "convolutions-cudnn.json"

// choiceFormat is how a choice begins in a table.
const choiceFormat = "algorithm %d, math type %d"

// passName is the name of a pass in a table: "cudnn/NVIDIA H200, cuDNN 9.10.2, bf16: forward
// 128x32x32 64→64 3x3". On other cards, and with other versions, another algorithm may be the
// fastest, or its number may mean another.
func (b *Backend) passName(which C.int, plan *conv2D) string {
	s := plan.spec
	return fmt.Sprintf("%s, cuDNN %s, %s: %s %dx%dx%d %d→%d %s", b.Name(), b.version(), b.options.Precision,
		passNames[which], s.N, s.H, s.W, s.In, s.Out, windowName(s.Window))
}

// parse takes the algorithm from the words.
func (c *choice) parse() bool {
	n, _ := fmt.Sscanf(c.words, choiceFormat, &c.algo, &c.math)
	return n == 2
}

// ConvTable returns which algorithms compute the convolutions planned so far. As Options.Table it
// makes another Backend choose the same, unless that is on another kind of card or of another
// version.
func (b *Backend) ConvTable() map[string]string {
	table := map[string]string{}
	for name, c := range b.chosen {
		table[name] = c.words
	}
	return table
}

// readTable returns what earlier runs have measured: nothing if there is no file, or it is damaged.
func readTable() map[string]string {
	var table map[string]string
	if text, err := os.ReadFile(cachePath(tableFile)); err == nil && json.Unmarshal(text, &table) == nil && table != nil {
		return table
	}
	return map[string]string{}
}

// keepMeasured adds what this run has measured to the file, where others may have written since.
func (b *Backend) keepMeasured() {
	table := readTable()
	maps.Copy(table, b.measured)
	text, err := json.MarshalIndent(table, "", "  ")
	if err != nil {
		panic(err) // of strings
	}
	store(cachePath(tableFile), text)
}
