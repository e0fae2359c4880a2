package keras

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/lamina-go/lamina/internal/fetch"
)

// imageNet returns the file of Keras's VGG-19 or VGG-16 weights, trained on ImageNet, that matches
// a network. See keras.applications.
func imageNet(network string) fetch.File {
	vgg, f := "vgg16", fetch.File{MD5: "64373286793e3c8b2b4e3219cbf3544b", Size: 553_467_096}
	if network == "vgg19" {
		vgg, f = "vgg19", fetch.File{MD5: "cbe5617147190e668d6c5d5026f83318", Size: 574_710_816}
	}
	f.Name = vgg + "_weights_tf_dim_ordering_tf_kernels.h5"
	f.URL = "https://storage.googleapis.com/tensorflow/keras-applications/" + vgg + "/" + f.Name
	return f
}

// ImageNet returns the path of the weights of VGG-19 for the network vgg19, and of VGG-16 for the
// others of the VGG table. It downloads them to the user's cache folder if necessary. Progress, if
// not nil, is called with the bytes downloaded so far and the total.
func ImageNet(ctx context.Context, network string, progress func(done, total int64)) (string, error) {
	f := imageNet(network)
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("keras: no cache folder for the ImageNet weights: %w", err)
	}
	path, err := f.Get(ctx, cache, progress)
	switch {
	case err == nil:
		return path, nil
	case ctx.Err() != nil, errors.Is(err, fetch.ErrDamaged):
		return "", fmt.Errorf("keras: %w", err)
	}
	return "", fmt.Errorf("keras: cannot download the ImageNet weights: %w: "+
		"put the file %s at %s, or use --pretrained FILE", err, f.Name, f.Path(cache))
}
