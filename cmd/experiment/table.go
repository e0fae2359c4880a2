package main

import (
	"slices"
	"strings"
)

// experiment is a comparison of runs, described by flags of cmd/train.
type experiment struct {
	name, title, about string
	flags              []string // of all its runs
	runs               []trial
}

// trial is a run of an experiment.
type trial struct {
	name      string
	flags     []string
	reference string // what the Keras program's author tells of this run
}

// experiments are those of the Keras program that this one follows. Of the decays it names only the
// first two.
func experiments() []experiment {
	const imagenet = "--" + pretrained + "=imagenet"
	const best = "93.4 % test accuracy at best"
	return []experiment{
		{
			name: "tricks", title: "What tricks bring",
			about: "VGG-19 with weights learned on ImageNet, without them, and without weight decay, batch normalization and augmentation either.",
			flags: []string{"--model=vgg19"},
			runs: []trial{
				{name: "vgg19_pretrain", flags: []string{imagenet}},
				{name: "vgg19"},
				{name: "vgg19_no_trick", flags: []string{"--weight-decay=0", "--bn=false", "--augment=none"}},
			},
		}, {
			name: "decay", title: "Weight decay",
			about: "VGG-19 with weights learned on ImageNet, with L2 penalties λ·Σw² of several strengths.",
			flags: []string{"--model=vgg19", imagenet},
			runs: []trial{
				{name: "vgg19_pretrain", flags: []string{"--weight-decay=0.0001"}},
				{name: "vgg19_pretrain_0.0005", flags: []string{"--weight-decay=0.0005"}, reference: best},
				{name: "vgg19_pretrain_0.001", flags: []string{"--weight-decay=0.001"}},
				{name: "vgg19_pretrain_0.005", flags: []string{"--weight-decay=0.005"}},
			},
		}, {
			name: "depth", title: "Depth",
			about: "The networks of columns A to E of the VGG paper, from scratch, under the same settings.",
			runs: []trial{
				{name: "vgg11_A", flags: []string{"--model=vgg11"}, reference: "28,187,826 parameters"},
				{name: "vgg13_B", flags: []string{"--model=vgg13"}, reference: "28,373,106 parameters"},
				{name: "vgg16_C", flags: []string{"--model=vgg16c"}, reference: "28,969,330 parameters"},
				{name: "vgg16_D", flags: []string{"--model=vgg16"}, reference: "33,687,922 parameters"},
				{name: "vgg19_E", flags: []string{"--model=vgg19"}, reference: "39,002,738 parameters"},
			},
		}, {
			name: "init", title: "First weights",
			about: "VGG-19 from several distributions of the first weights, of which those learned on ImageNet replace most.",
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

// pretrained is the flag of runs that begin with weights learned on ImageNet, which may come from
// another file.
const pretrained = "pretrained"

// pretrainedFlags are only for such runs.
var pretrainedFlags = []string{pretrained, "skip-mismatch"}

// find returns the experiment of that name.
func find(name string) (experiment, bool) {
	all := experiments()
	i := slices.IndexFunc(all, func(e experiment) bool { return e.name == name })
	if i < 0 {
		return experiment{}, false
	}
	return all[i], true
}

// names lists the experiment's runs.
func (e experiment) names() []string {
	var names []string
	for _, t := range e.runs {
		names = append(names, t.name)
	}
	return names
}

// sets reports whether a run of the experiment has its own value of a flag.
func (e experiment) sets(flag string) bool {
	return slices.ContainsFunc(e.runs, func(t trial) bool {
		return slices.ContainsFunc(slices.Concat(e.flags, t.flags), func(f string) bool { return strings.HasPrefix(f, "--"+flag+"=") })
	})
}
