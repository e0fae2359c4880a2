// Package experiment trains networks that differ in one setting, and compares them in charts and a
// page.
package experiment

import (
	"slices"
	"strings"
)

// Experiment is a comparison of runs, described by flags of the command train.
type Experiment struct {
	Name  string
	title string
	about string
	flags []string // of all runs
	runs  []trial
	// recipe, if not nil, makes settings those of lamina train with this recipe, "" for the default.
	recipe *string
	sorted bool // the report has the best run first
}

// trial is a run of an experiment.
type trial struct {
	name      string
	flags     []string
	reference string // the result of the Keras program's author
}

// All returns the experiments of the Keras program that this one follows. Of the decays it names
// only the first two.
func All() []Experiment {
	const imagenet = "--" + pretrained + "=imagenet"
	const best = "93.4 % accuracy at best"
	return []Experiment{
		{
			Name: "tricks", title: "The effect of tricks",
			about: "VGG-19 with weights pretrained on ImageNet; without them; and also without weight decay, batch normalization and augmentation.",
			flags: []string{"--model=vgg19"},
			runs: []trial{
				{name: "vgg19_pretrain", flags: []string{imagenet}},
				{name: "vgg19"},
				{name: "vgg19_no_trick", flags: []string{"--weight-decay=0", "--bn=false", "--augment=none"}},
			},
		}, {
			Name: "decay", title: "Weight decay",
			about: "VGG-19 with weights pretrained on ImageNet, with L2 penalties λ·Σw² of several strengths.",
			flags: []string{"--model=vgg19", imagenet},
			runs: []trial{
				{name: "vgg19_pretrain", flags: []string{"--weight-decay=0.0001"}},
				{name: "vgg19_pretrain_0.0005", flags: []string{"--weight-decay=0.0005"}, reference: best},
				{name: "vgg19_pretrain_0.001", flags: []string{"--weight-decay=0.001"}},
				{name: "vgg19_pretrain_0.005", flags: []string{"--weight-decay=0.005"}},
			},
		}, {
			Name: "depth", title: "Depth",
			about: "The networks of columns A to E of the VGG paper, from scratch, with the same settings.",
			runs: []trial{
				{name: "vgg11_A", flags: []string{"--model=vgg11"}},
				{name: "vgg13_B", flags: []string{"--model=vgg13"}},
				{name: "vgg16_C", flags: []string{"--model=vgg16c"}},
				{name: "vgg16_D", flags: []string{"--model=vgg16"}},
				{name: "vgg19_E", flags: []string{"--model=vgg19"}},
			},
		}, {
			Name: "init", title: "Initial weights",
			about: "VGG-19 from several distributions of the initial weights, most of which are then replaced by those pretrained on ImageNet.",
			flags: []string{"--model=vgg19", "--weight-decay=0.0005", imagenet},
			runs: []trial{
				{name: "vgg19_pretrain_0.0005", flags: []string{"--init=he_normal"}, reference: best},
				{name: "vgg19_pretrain_0.0005_no_wi", flags: []string{"--init=glorot_uniform"}},
				{name: "vgg19_pretrain_0.0005_normal_wi", flags: []string{"--init=normal"}},
				{name: "vgg19_pretrain_0.0005_normal_wi_parameters", flags: []string{"--init=normal:0.01"}},
			},
		},
	}
}

// pretrained is the flag of runs with weights pretrained on ImageNet, which may come from another
// file.
const pretrained = "pretrained"

// pretrainedFlags apply to such runs only.
var pretrainedFlags = []string{pretrained, "skip-mismatch"}

// Runs lists the names of the runs.
func (e *Experiment) Runs() []string {
	var names []string
	for _, t := range e.runs {
		names = append(names, t.name)
	}
	return names
}

// sets reports whether a run of the experiment has its own value of a flag.
func (e *Experiment) sets(flag string) bool {
	return slices.ContainsFunc(e.runs, func(t trial) bool {
		return slices.ContainsFunc(slices.Concat(e.flags, t.flags),
			func(f string) bool { return strings.HasPrefix(f, "--"+flag+"=") })
	})
}
