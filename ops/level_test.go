package ops

import (
	"slices"
	"strings"
	"testing"
)

func TestBestTakesEachLevel(t *testing.T) {
	levels := Levels()
	if !slices.IsSorted(levels) || levels[0] != Generic {
		t.Fatalf("Levels() = %v", levels)
	}
	for _, l := range append([]Level{0}, levels...) {
		t.Setenv(levelVariable, l.String())
		want := l
		if l == 0 {
			t.Setenv(levelVariable, "")
			want = levels[len(levels)-1]
		}
		if got, err := Best(); got != want || err != nil {
			t.Errorf("%v: Best() = %v, %v", l, got, err)
		}
	}
	t.Setenv(levelVariable, "avx9")
	_, err := Best()
	if err == nil || !strings.Contains(err.Error(), "avx9") || !strings.Contains(err.Error(), "generic") {
		t.Errorf("avx9: error %v", err)
	}
}

// Each level has its float32 kernels at one of FloatLevels, and each of those has its own.
func TestFloatLevels(t *testing.T) {
	float := FloatLevels()
	for _, l := range Levels() {
		if !slices.Contains(float, l.Float()) {
			t.Errorf("%v has the kernels of %v, which is not in %v", l, l.Float(), float)
		}
	}
	for _, l := range float {
		if l.Float() != l || l > AVX512 {
			t.Errorf("%v is not a float32 level", l)
		}
	}
}

func TestAMXIsRefusedOrThere(t *testing.T) {
	if err := AMXRefused(); err != nil && slices.Contains(Levels(), AMX) {
		t.Errorf("AMX is in Levels, and refused: %v", err)
	}
}
