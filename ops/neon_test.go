package ops

import (
	"encoding/binary"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
)

// The macros of neon_arm64.h encode the instruction in the comment beside them, for registers and
// lanes whose numbers have each bit set once.
func TestNEONEncodings(t *testing.T) {
	header, err := os.ReadFile("neon_arm64.h")
	if err != nil {
		t.Fatal(err)
	}
	macro := regexp.MustCompile(`^#define (\w+)\((.*?)\) WORD \$\((.*)\) // (.*)$`)
	macros := 0
	for line := range strings.Lines(string(header)) {
		if !strings.HasPrefix(line, "#define") {
			continue
		}
		m := macro.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			t.Errorf("no macro with its instruction: %s", line)
			continue
		}
		macros++
		parameters := strings.Split(m[2], ", ")
		for turn := range 5 {
			expression, want := m[3], m[4]
			for i, p := range parameters {
				n := fmt.Sprint(1 << ((turn + i) % 5))
				if p == "i" {
					n = fmt.Sprint(turn % 4)
				}
				expression = regexp.MustCompile(`\(`+p+`\)`).ReplaceAllString(expression, n)
				want = regexp.MustCompile(`\b([vqxw])`+p+`\b`).ReplaceAllString(want, "${1}"+n)
				want = strings.ReplaceAll(want, "["+p+"]", "["+n+"]")
			}
			if got := disassemble(t, expression); got != want {
				t.Errorf("%s encodes %q, want %q", m[1], got, want)
			}
		}
	}
	if macros == 0 {
		t.Error("no macros in neon_arm64.h")
	}
}

// disassemble returns the instruction of a constant expression.
func disassemble(t *testing.T, expression string) string {
	value, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	word, _ := constant.Uint64Val(value.Value)
	code := binary.LittleEndian.AppendUint32(nil, uint32(word))
	instruction, err := arm64asm.Decode(code)
	if err != nil {
		return fmt.Sprintf("%#x: %v", word, err)
	}
	return arm64asm.GNUSyntax(instruction)
}
