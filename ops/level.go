package ops

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Level is an ISA level: a set of kernels by the instructions that they may use. The kernels are
// its methods: a program takes Best() once and calls them on it. It must not call them at a level
// that the machine lacks.
type Level uint8

// The levels. Each includes those of its processor before it. The zero Level is none.
const (
	Generic    Level = iota + 1 // Go, with gonum's matrix product
	NEON                        // arm64: vectors of 128 bits, which every such processor has
	AVX2                        // AVX2 and FMA
	AVX512                      // AVX-512 F, BW, DQ and VL
	AVX512BF16                  // AVX-512 BF16: products of bf16; float32 as AVX512
	AMX                         // AMX TILE and BF16: products of bf16 on tiles
)

var levelNames = [...]string{"none", "generic", "neon", "avx2", "avx512", "avx512bf16", "amx"}

// String returns the level's name, as in LAMINA_LEVEL.
func (l Level) String() string {
	if int(l) >= len(levelNames) {
		return strconv.Itoa(int(l))
	}
	return levelNames[l]
}

// levelVariable is the environment variable that lowers the level.
const levelVariable = "LAMINA_LEVEL"

// Levels returns the levels of this machine and build, lowest first.
func Levels() []Level {
	levels := []Level{Generic}
	if hasNEON {
		levels = append(levels, NEON)
	}
	if hasAVX2 {
		levels = append(levels, AVX2)
	}
	if hasAVX512 {
		levels = append(levels, AVX512)
	}
	if hasAVX512BF16 {
		levels = append(levels, AVX512BF16)
	}
	if hasAMX {
		levels = append(levels, AMX)
	}
	return levels
}

// FloatLevels returns those of Levels that differ in their float32 kernels.
func FloatLevels() []Level {
	return slices.DeleteFunc(Levels(), func(l Level) bool { return l != l.Float() })
}

// Float returns the level of FloatLevels whose float32 kernels l has.
func (l Level) Float() Level { return min(l, AVX512) }

// AMXRefused returns why Levels ends below AMX on a processor that has it: the operating system
// does not give this process the tile registers. Otherwise it returns nil.
func AMXRefused() error { return amxRefused }

// Best returns the highest level of this machine, or the one that LAMINA_LEVEL names. It returns an
// error if the variable names no level, or one that the machine or the build lacks.
func Best() (Level, error) {
	levels := Levels()
	name := os.Getenv(levelVariable)
	if name == "" {
		return levels[len(levels)-1], nil
	}
	for _, l := range levels {
		if l.String() == name {
			return l, nil
		}
	}
	var have []string
	for _, l := range levels {
		have = append(have, l.String())
	}
	return 0, fmt.Errorf("%s=%q: this machine has %s", levelVariable, name, strings.Join(have, ", "))
}
