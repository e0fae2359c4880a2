//go:build !noasm

package ops

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unsafe"
)

// generated are the files with lines written by asm2plan9s: for each, its instructions and the
// number of lines with each.
var generated = map[string]map[string]int{
	"batchnorm_bf16_amd64.s":      {"VCVTNEPS2BF16": 1},
	"batchnorm_pool_bf16_amd64.s": {"VCVTNEPS2BF16": 1},
	"pack_bf16_amd64.s":           {"VCVTNE2PS2BF16": 1},
	"tile_bf16_avx512_amd64.s":    {"VDPBF16PS": 24},
	"tile_bf16_amx_amd64.s": {
		"LDTILECFG": 1, "TILEZERO": 4, "TILELOADD": 10, "TILELOADDT1": 2, "TDPBF16PS": 4, "TILESTORED": 4,
		"TILERELEASE": 1, "VCVTNE2PS2BF16": 1,
	},
	"../internal/fmapeak/fmapeak_bf16_amd64.s": {
		"VDPBF16PS": 24, "LDTILECFG": 1, "TILEZERO": 6, "TILELOADD": 2, "TDPBF16PS": 6, "TILERELEASE": 1,
	},
}

// asm2plan9s ignores a line in which it finds no instruction. So check that each instruction has
// bytes, and that all bytes have an instruction.
func TestInstructionsAreAssembled(t *testing.T) {
	assembled := regexp.MustCompile(`^\s+LONG \$0x[0-9a-f]{8}(; WORD \$0x[0-9a-f]{4})?(; BYTE \$0x[0-9a-f]{2})? +(\\ )?// ([A-Z0-9]+)`)
	like := regexp.MustCompile(`(LONG|WORD|BYTE) \$|// *(VDPBF16PS|VCVTNE|TDPBF16PS|TILE|LDTILECFG)`)
	for file, want := range generated {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for i, line := range strings.Split(string(text), "\n") {
			if m := assembled.FindStringSubmatch(line); m != nil {
				got[m[len(m)-1]]++
			} else if like.MatchString(line) {
				t.Errorf("%s:%d: bytes without an instruction, or an instruction without bytes: %s", file, i+1, line)
			}
		}
		for name, n := range want {
			if got[name] != n {
				t.Errorf("%s: %d lines with %s, want %d", file, got[name], name, n)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: instructions %v, want %v", file, got, want)
		}
	}
}

func TestGenerateChangesNothing(t *testing.T) {
	version, err := exec.Command("as", "--version").Output()
	if err != nil || !strings.HasPrefix(string(version), "GNU") {
		t.Skip("no GNU assembler, as, on this machine")
	}
	for file := range generated {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Lines without their bytes must come out the same, too.
		bytes := regexp.MustCompile(`(?:LONG|WORD|BYTE) \$0x[^/\\]*`)
		bare := bytes.ReplaceAllStringFunc(string(want), func(s string) string { return strings.Repeat(" ", len(s)) })
		for _, before := range []string{string(want), bare} {
			copied := filepath.Join(t.TempDir(), filepath.Base(file))
			if err := os.WriteFile(copied, []byte(before), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("go", "tool", "asm2plan9s", copied).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got, err := os.ReadFile(copied)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("%s: go generate would change it", file)
			}
		}
	}
}

// TestSplitPanel splits into panels of both widths: the kernel needs AVX2 only.
func TestSplitPanel(t *testing.T) {
	if !hasAVX2 {
		t.Skip("this machine has no AVX2")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, l := range []Level{AVX2, AVX512} {
		for _, depth := range []int{2, 32, 96} {
			src := randomBF16(rng, panelBF16*depth)
			got, check := guarded(t, len(src))
			l.splitPanel(got, src, depth)
			check()
			width := l.panelWidth()
			for i, v := range got {
				j, p := i/(depth*width)*width+i%width, i/width%depth
				if want := src[p/2*2*panelBF16+2*j+p%2].Float32(); v != want {
					t.Fatalf("%v, depth %d: row %d, column %d is %g, want %g", l, depth, p, j, v, want)
				}
			}
		}
	}
}

func TestTileConfig(t *testing.T) {
	if size := unsafe.Sizeof(tileConfig{}); size != 64 {
		t.Fatalf("%d bytes, want 64", size)
	}
	for height := 1; height <= blockAMX; height++ {
		c := (*[64]byte)(unsafe.Pointer(newTileConfig(height)))
		rows := byte((height + 1) / 2)
		want := [64]byte{0: 1, 48: rows, rows, rows, rows, rows, rows, 16, 16}
		for i := range 8 {
			want[16+2*i] = 64
		}
		if *c != want {
			t.Errorf("height %d: %v, want %v", height, *c, want)
		}
	}
}
