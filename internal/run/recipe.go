package run

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/nn"
)

// The recipes for a user's own images.
const (
	small    = "small"
	finetune = "finetune"
)

// recipes are named sets of flags. Those that own images may lack depend on their number: see fit.
func recipes() map[string]map[string]string {
	return map[string]map[string]string{
		// Table 1 and listing 4 of https://arxiv.org/abs/2404.00498, with Muon as in airbench94_muon of
		// https://github.com/KellerJordan/cifar10-airbench. There the loss is the sum over the batch, and
		// the logits are divided by 256: the rates here are for the mean, 0.053·2000, and for a head that
		// includes the divisor, 0.67·2000/256². The decay is 2e-6·2000 a step.
		"fast": {
			"model": nn.FastName, "init": "dirac", "augment": "alternating-flip,translate",
			"mean": "125.307,122.961,113.8575", "std": "62.985,62.0925,66.708",
			"epochs": "8", "batch": "2000", "optimizer": muon, "lr": "linear:0.24", "bias-lr": "linear:106",
			"head-lr": "linear:0.02045", "momentum": "0.85", "weight-decay": "0.004", "label-smoothing": "0.2",
			"tta": "true",
		},
		// The network and the optimizer of fast, for hundreds of images.
		small: {
			"model": nn.FastName, "init": "dirac", "size": "64", "augment": "alternating-flip,translate",
			"mean": "125.307,122.961,113.8575", "std": "62.985,62.0925,66.708", "optimizer": muon,
			"momentum": "0.85", "weight-decay": "0.004", "label-smoothing": "0.2", "epochs": "", "batch": "",
			"lr": "", "bias-lr": "", "head-lr": "",
		},
		finetune: {
			"optimizer": adamW, "augment": "alternating-flip,translate", "dropout": "0.2", "weight-decay": "0.01",
			"label-smoothing": "0.1", "patience": "8", "epochs": "", "batch": "", "lr": "",
		},
	}
}

// RecipeNames returns the names of the recipes.
func RecipeNames() []string { return slices.Sorted(maps.Keys(recipes())) }

// ApplyRecipe sets the flags of the recipe that the settings name, except those that the command
// line gives. Where it names none, own images have that for a small set, or for fine-tuning if
// there are pretrained weights.
func (s *Settings) ApplyRecipe(flags *pflag.FlagSet) error {
	own := cifar.IsOwn(s.Data)
	switch {
	case s.Recipe != "":
		if err := cli.OneOf("recipe", s.Recipe, RecipeNames()...); err != nil {
			return err
		}
	case !own:
		return nil
	case s.Pretrained != "":
		s.Recipe = finetune
	default:
		s.Recipe = small
	}
	if s.Recipe == finetune && s.Pretrained == "" {
		return fmt.Errorf("--recipe %s requires --pretrained: name a run, a file or %s", finetune, imageNet)
	}
	recipe := maps.Clone(recipes()[s.Recipe])
	if s.Recipe == finetune {
		from, err := s.ofPretrained()
		if err != nil {
			return err
		}
		maps.Copy(recipe, from)
	}
	if s.Recipe == small && flags.Changed("model") && s.Model != nn.FastName && !flags.Changed("optimizer") {
		// The rates of Muon are for that network.
		maps.Copy(recipe, map[string]string{"init": s.Init, "optimizer": adamW, "weight-decay": "0.05"})
		delete(recipe, "bias-lr")
		delete(recipe, "head-lr")
	}
	if !own {
		delete(recipe, "size")
	}
	all := cli.Union(s.Flags())
	var fit []string
	for _, name := range slices.Sorted(maps.Keys(recipe)) {
		if given := flags.Lookup(name); given != nil && given.Changed {
			continue
		}
		if recipe[name] == "" {
			fit = append(fit, name)
		} else if err := all.Set(name, recipe[name]); err != nil {
			return fmt.Errorf("--recipe %s: %w", s.Recipe, err)
		}
	}
	s.Fit = strings.Join(fit, ",")
	return nil
}

// The optimizers.
const (
	sgd   = "sgd"
	adamW = "adamw"
	muon  = "muon"
)

// muonMomentum is that of kernels under Muon.
const muonMomentum = 0.6

// whitenEpochs is the number of epochs in which the bias of the whitening layer trains.
const whitenEpochs = 3

// checkOptimizer reports a setting that the optimizer does not have.
func (s *Settings) checkOptimizer() error {
	if err := cli.OneOf("optimizer", s.Optimizer, sgd, adamW, muon); err != nil {
		return err
	}
	for flag, text := range map[string]string{"bias-lr": s.BiasLR, "head-lr": s.HeadLR} {
		if text == "" {
			continue
		}
		if s.Optimizer != muon {
			return fmt.Errorf("--%s requires --optimizer %s", flag, muon)
		}
		if _, err := nn.ParseSchedule(text); err != nil {
			return cli.Of(flag, err)
		}
	}
	return nil
}

// muon returns the optimizer of that name.
func (s *Settings) muon() (nn.Optimizer, error) {
	bias, badBias := nn.ParseSchedule(cmp.Or(s.BiasLR, s.LR))
	head, badHead := nn.ParseSchedule(cmp.Or(s.HeadLR, s.LR))
	if err := errors.Join(badBias, badHead); err != nil {
		return nil, err
	}
	rate := func(weights string, all, shown nn.Schedule) nn.Rate {
		r := nn.Rate{Weights: weights, Schedule: s.schedule(nn.WarmUp(shown, s.Warmup))}
		if first := all.At(0, 1, max(s.Epochs, 1)); first > 0 {
			r.Decay = s.WeightDecay / float32(first)
		}
		return r
	}
	o := nn.Muon{Momentum: muonMomentum, Others: nn.SGD{Momentum: s.Momentum}}
	if s.whitens() {
		o.Rates = append(o.Rates, rate(nn.WhitenName+"/*", bias, nn.Until(bias, whitenEpochs)))
	}
	o.Rates = append(o.Rates, rate("*/*kernel", head, head), rate("*/*", bias, bias))
	return o, nil
}

// whitens reports whether the network's first layer whitens patches of the images.
func (s *Settings) whitens() bool { return s.Model == nn.FastName }

// summaryOf returns the one line at the end of a run with a recipe.
func summaryOf(accuracy float64, views bool, minutes float64, folder string) string {
	how := ""
	if views {
		how = " with six views"
	}
	return fmt.Sprintf("accuracy %.2f %%%s in %.1f minutes; the model is %s; serve it with: %s",
		100*accuracy, how, minutes, folder,
		"lamina serve "+cli.Join(folder))
}
