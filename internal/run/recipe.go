package run

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/pflag"

	"github.com/lamina-go/lamina/internal/cli"
	"github.com/lamina-go/lamina/nn"
)

// recipes are named sets of flags.
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
	}
}

// RecipeNames returns the names of the recipes.
func RecipeNames() []string { return slices.Sorted(maps.Keys(recipes())) }

// ApplyRecipe sets the flags of the recipe that the settings name, if they do, except those that
// the command line gives.
func (s *Settings) ApplyRecipe(flags *pflag.FlagSet) error {
	if s.Recipe == "" {
		return nil
	}
	if err := cli.OneOf("recipe", s.Recipe, RecipeNames()...); err != nil {
		return err
	}
	own := cli.Union(s.Flags())
	for name, value := range recipes()[s.Recipe] {
		if given := flags.Lookup(name); given != nil && given.Changed {
			value = given.Value.String()
		}
		if err := own.Set(name, value); err != nil {
			return fmt.Errorf("--recipe %s: %w", s.Recipe, err)
		}
	}
	return nil
}

// The optimizers.
const (
	sgd  = "sgd"
	muon = "muon"
)

// muonMomentum is that of kernels under Muon.
const muonMomentum = 0.6

// whitenEpochs is the number of epochs in which the bias of the whitening layer trains.
const whitenEpochs = 3

// checkOptimizer reports a setting that the optimizer does not have.
func (s *Settings) checkOptimizer() error {
	if err := cli.OneOf("optimizer", s.Optimizer, sgd, muon); err != nil {
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
		r := nn.Rate{Weights: weights, Schedule: nn.WarmUp(shown, s.Warmup)}
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
