package nn

import (
	"strings"
	"testing"

	"github.com/lamina-go/lamina/tensor"
)

// The numbers of parameters are those of https://github.com/kuangliu/pytorch-cifar (ResNet18), and
// of the paper's ResNet-20 with 1x1 convolutions as shortcuts: 269,722 + 2,752.
func TestResNet(t *testing.T) {
	for name, want := range map[string]int{"resnet18": 11_173_962, "resnet20": 272_474} {
		s, err := ResNet(name, ResNetOptions{Input: tensor.Shape{32, 32, 3}, Classes: 10, L2: 0.01})
		if err != nil {
			t.Fatal(err)
		}
		net := mustBuild(t, s)
		if got, _ := net.Parameters(); got != want {
			t.Errorf("%s: %d parameters to train, want %d", name, got, want)
		}
		for _, w := range net.Weights {
			if kernel := strings.HasSuffix(w.Name, "/kernel"); kernel != (w.L2 == 0.01) {
				t.Errorf("%s: %s has the penalty %v", name, w.Name, w.L2)
			}
		}
	}
	if _, err := ResNet("resnet19", ResNetOptions{}); err == nil || !strings.Contains(err.Error(), "resnet18, resnet20") {
		t.Errorf("unknown name: %v", err)
	}
	if _, err := Named("resnet19", VGGOptions{}); err == nil || !strings.Contains(err.Error(), "vgg19, resnet18, resnet20") {
		t.Errorf("unknown name: %v", err)
	}
}

// A network that is no chain lists inputs in its summary.
func TestSummaryOfGraph(t *testing.T) {
	s, err := Named("resnet20", VGGOptions{Input: tensor.Shape{32, 32, 3}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := mustBuild(t, s).Summary(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Param #   Connected to\n", "conv1_conv (Conv2D)                          (None, 32, 32, 16)              432   input\n",
		"conv2_block1_add (Add)                       (None, 32, 32, 16)                0   conv2_block1_2_bn, conv1_relu\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
