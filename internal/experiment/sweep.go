package experiment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Values are those of a flag.
type Values struct {
	Flag   string
	Values []string
}

// flags returns the flag with each of its values.
func (v Values) flags() (all []string) {
	for _, value := range v.Values {
		all = append(all, "--"+v.Flag+"="+value)
	}
	return all
}

// mostRuns is the number of runs of a sweep at most.
const mostRuns = 10_000

// Sweep returns the experiment whose runs are the combinations of the values of flags, or so many
// of them, chosen by a seed, unless random is 0. Settings are completed as those of lamina train, with
// the recipe, if any. Flags with one value are the same for all runs.
func Sweep(flags []Values, recipe string, random int, seed uint64) (Experiment, error) {
	e := Experiment{Name: "sweep", recipe: &recipe, sorted: true}
	var varied []Values
	var names []string
	total := 1
	for _, v := range flags {
		if len(v.Values) == 1 {
			e.flags = append(e.flags, v.flags()...)
			continue
		}
		varied, names = append(varied, v), append(names, "--"+v.Flag)
		if total *= len(v.Values); total > mostRuns {
			return e, fmt.Errorf("the flags have more than %d combinations: name fewer values", mostRuns)
		}
	}
	if len(varied) == 0 {
		return e, fmt.Errorf("no flag has several values: list them, as --lr 0.01,0.02")
	}
	e.title = "Sweep of " + strings.Join(names, ", ")
	chosen := rand.New(rand.NewPCG(seed, 0)).Perm(total) // of which more contain fewer
	e.about = fmt.Sprintf("All %d combinations of their values, the best first.", total)
	if random > 0 && random < total {
		chosen = chosen[:random]
		e.about = fmt.Sprintf("%d of %d combinations of their values, the best first.", random, total)
	}
	slices.Sort(chosen)
	taken := map[string]bool{}
	for _, i := range chosen {
		t := trial{flags: combination(varied, i)}
		t.name = nameOfRun(t.flags)
		for n := 2; taken[t.name]; n++ {
			t.name = fmt.Sprintf("%s-%d", nameOfRun(t.flags), n)
		}
		taken[t.name] = true
		e.runs = append(e.runs, t)
	}
	return e, nil
}

// combination returns combination i. The last flag varies first.
func combination(varied []Values, i int) []string {
	flags := make([]string, len(varied))
	for j, v := range slices.Backward(varied) {
		flags[j] = v.flags()[i%len(v.Values)]
		i /= len(v.Values)
	}
	return flags
}

// nameOfRun returns the name of the folder of a run with these flags.
func nameOfRun(flags []string) string {
	const longest = 100
	name := strings.ReplaceAll(strings.Join(flags, ","), "--", "")
	name = strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`<>:"/\|?*`, r) { // not in a name on some system
			return '-'
		}
		return r
	}, name)
	name = strings.ToValidUTF8(name[:min(len(name), longest)], "")
	return strings.TrimRight(name, ". ")
}
