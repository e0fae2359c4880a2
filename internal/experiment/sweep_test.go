package experiment

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSweepRuns(t *testing.T) {
	flags := []Values{
		{"model", []string{"vgg11"}},
		{"lr", []string{"0.1", "cosine:0.2"}},
		{"seed", []string{"1", "2", "3"}},
	}
	all, err := Sweep(flags, "", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"lr=0.1,seed=1", "lr=0.1,seed=2", "lr=0.1,seed=3", "lr=cosine-0.2,seed=1",
		"lr=cosine-0.2,seed=2", "lr=cosine-0.2,seed=3"}
	if diff := cmp.Diff(want, all.Runs()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"--model=vgg11"}, all.flags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"--lr=cosine:0.2", "--seed=3"}, all.runs[5].flags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// More of the same seed contain fewer, and another seed chooses others.
	chosen := map[string]bool{}
	var before []string
	for n := 1; n <= 7; n++ {
		some, err := Sweep(flags, "", n, 1)
		if err != nil || len(some.Runs()) != min(n, 6) {
			t.Fatalf("%d runs of %d, %v", len(some.Runs()), n, err)
		}
		for _, name := range before {
			if !slices.Contains(some.Runs(), name) {
				t.Errorf("%s is not among %d runs", name, n)
			}
		}
		before = some.Runs()
	}
	for seed := range uint64(20) {
		some, err := Sweep(flags, "", 1, seed)
		if err != nil {
			t.Fatal(err)
		}
		chosen[some.Runs()[0]] = true
	}
	if len(chosen) < 2 {
		t.Errorf("20 seeds choose %v", chosen)
	}
}

// Names of folders have no characters of paths, and are different.
func TestSweepNames(t *testing.T) {
	long := strings.Repeat("ä", 99)
	e, err := Sweep([]Values{{
		"pretrained",
		[]string{"/a/b.h5", `\a:b.h5`, "-a-b.h5", long + "1", long + "2", "end. ."},
	}},
		"", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range e.Runs() {
		if seen[name] || strings.ContainsAny(name, `/\:`) || len(name) > 110 || strings.HasSuffix(name, ".") {
			t.Errorf("%q", name)
		}
		seen[name] = true
	}
	many := make([]string, 200)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	if _, err := Sweep([]Values{{"a", many}, {"b", many}}, "", 1, 1); err == nil || !strings.Contains(err.Error(), "10000 combinations") {
		t.Error(err)
	}
}
