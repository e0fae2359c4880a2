package cifar

import (
	"strings"
	"testing"
)

func TestAugmentationText(t *testing.T) {
	for text, want := range map[string]Augmentation{
		"none": None, "whole-pixel": WholePixel, "sub-pixel": SubPixel,
		"alternating-flip": AlternatingFlip, "translate": Translate,
		"alternating-flip,translate":                     AlternatingFlipTranslate,
		"flip":                                           {Flip: true},
		"flip,shift:0.25,rotate:15":                      {Flip: true, Shift: 0.25, Rotate: 15},
		"crop:4":                                         {Crop: 4, Zeros: true},
		"shift:3.5,crop:0.2:reflect,cutout:8":            {Shift: 3.5, Crop: 0.2, Cutout: 8},
		"zoom:0.1,brightness:1,contrast:0.5":             {Zoom: 0.1, Brightness: 1, Contrast: 0.5},
		"flip,saturation:0.001,rand:3:0":                 {Flip: true, Saturation: 0.001, Rand: RandAugment{3, 0}},
		"crop:512,rotate:180,zoom:0.9,cutout:1,rand:1:1": {Crop: 512, Zeros: true, Rotate: 180, Zoom: 0.9, Cutout: 1, Rand: RandAugment{1, 1}},
	} {
		if a, err := ParseAugmentation(text); err != nil || a != want {
			t.Errorf("%q is read as %+v, %v", text, a, err)
		}
		written, _ := want.MarshalText()
		var again Augmentation
		err := again.UnmarshalText(written)
		if err != nil || string(written) != text || again != want {
			t.Errorf("%q is written as %q, and read again as %+v, %v", text, written, again, err)
		}
	}
	for text, want := range map[string]string{ // other forms of a list
		"translate,alternating-flip": "alternating-flip,translate",
		"rotate,flip":                "flip,rotate:15",
		"crop:4:zero":                "crop:4",
		"rand,cutout,saturation,contrast,brightness,zoom,rotate,crop,shift,flip": "" +
			"flip,shift:0.1,crop:0.125,rotate:15,zoom:0.1,brightness:0.2,contrast:0.2,saturation:0.2,cutout:0.25,rand:2:9",
	} {
		if a, err := ParseAugmentation(text); err != nil || a.String() != want {
			t.Errorf("%q is read as %v, %v, want %s", text, a, err, want)
		}
	}
}

// A wrong list is reported with the word that is wrong, and what is known.
func TestBadAugmentationText(t *testing.T) {
	const list = "want none, whole-pixel, sub-pixel, or alternating-flip and translate, " +
		"separated by a comma; or a list of flip, shift:0.1, "
	for text, want := range map[string]string{
		"":                               `"": ` + list,
		"mirror":                         `"mirror": ` + list,
		"flip,Rotate":                    `"Rotate": ` + list,
		"flip, rotate":                   `" rotate": ` + list,
		"translate,":                     `"": ` + list,
		"none,translate":                 `"none" goes with no other word`,
		"translate,sub-pixel":            `"translate" goes with no other word`,
		"translate,translate":            `"translate" is there twice`,
		"flip,rotate:5,rotate":           `"rotate" is there twice`,
		"flip,whole-pixel":               `"whole-pixel" goes with no other word`,
		"none,flip":                      `"none" goes with no other word`,
		"alternating-flip,rotate":        `"alternating-flip" goes with no other word`,
		"flip:0.5":                       `"flip:0.5" has no strength`,
		"sub-pixel:2":                    `"sub-pixel:2" has no strength`,
		"rotate:":                        `"rotate:" must be above 0 and at most 180`,
		"rotate:0":                       `"rotate:0" must be above 0 and at most 180`,
		"rotate:-5":                      "at most 180",
		"rotate:181":                     "at most 180",
		"rotate:5:5":                     "at most 180",
		"rotate:NaN":                     "at most 180",
		"rotate:Inf":                     "at most 180",
		"zoom:1":                         "at most 0.9",
		"brightness:1.1":                 "at most 1",
		"shift:513":                      "share of the size, above 0 and below 1, or pixels from 1 to 512",
		"crop:1.5":                       "or whole pixels from 1 to 512",
		"crop:4:black":                   `"crop:4:black" must end in zero or reflect`,
		"cutout:0":                       "or whole pixels from 1 to 512",
		"rand:2":                         "must be rand:N:M with N from 1 to 14 and M from 0 to 30",
		"rand:0:9":                       "must be rand:N:M",
		"rand:15:9":                      "must be rand:N:M",
		"rand:2:31":                      "must be rand:N:M",
		"rand:2:9:1":                     "must be rand:N:M",
		"rand:2,9":                       "must be rand:N:M",
		"flip,shift:99999999999999999e9": "share of the size",
	} {
		a, err := ParseAugmentation(text)
		if err == nil || !strings.Contains(err.Error(), want) || a != None {
			t.Errorf("%q is read as %v, %v; want an error with %s", text, a, err, want)
		}
	}
}

func FuzzAugmentationText(f *testing.F) {
	for _, text := range []string{"none", "flip,shift:0.1,crop:4:reflect,rand:2:9",
		"translate,alternating-flip", "cutout,zoom:1e-300"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAugmentation(text)
		if err != nil {
			return
		}
		if again, err := ParseAugmentation(a.String()); err != nil || again != a {
			t.Fatalf("%q is read as %+v, its text %q as %+v, %v", text, a, a.String(), again, err)
		}
	})
}
