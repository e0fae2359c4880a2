package keras

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lamina-go/lamina/internal/fetch"
)

// imageNet returns the file of Keras's VGG-19 or VGG-16 weights, trained on ImageNet, that matches
// a network, with or without the dense layers. See keras.applications.
func imageNet(network string, dense bool) fetch.File {
	vgg, ending, f := "vgg16", ".h5", fetch.File{MD5: "64373286793e3c8b2b4e3219cbf3544b", Size: 553_467_096}
	switch {
	case network == "vgg19" && dense:
		vgg, f = "vgg19", fetch.File{MD5: "cbe5617147190e668d6c5d5026f83318", Size: 574_710_816}
	case network == "vgg19":
		vgg, f = "vgg19", fetch.File{MD5: "253f8cb515780f3b799900260a226db6", Size: 80_134_624}
	case !dense:
		f = fetch.File{MD5: "6d6bbae143d832006294945121d1f1fc", Size: 58_889_256}
	}
	if !dense {
		ending = "_notop.h5"
	}
	f.Name = vgg + "_weights_tf_dim_ordering_tf_kernels" + ending
	f.URL = "https://storage.googleapis.com/tensorflow/keras-applications/" + vgg + "/" + f.Name
	return f
}

// kerasFolder returns the folder in which Keras keeps the weights that it has downloaded.
func kerasFolder() string {
	home := os.Getenv("KERAS_HOME")
	if home == "" {
		user, _ := os.UserHomeDir() // without one, no file is found
		home = filepath.Join(user, ".keras")
	}
	return filepath.Join(home, "models")
}

// ImageNet returns the path of the weights of VGG-19 for the network vgg19, and of VGG-16 for the
// others of the VGG table, at least those of the convolutions, with dense of all layers. It takes
// the file that Keras has downloaded, or downloads it to the user's cache folder if necessary.
// Progress, if not nil, is called with the bytes downloaded so far and the total.
func ImageNet(ctx context.Context, network string, dense bool, progress func(done, total int64)) (string, error) {
	f := imageNet(network, dense)
	for _, any := range []fetch.File{f, imageNet(network, true)} {
		path := filepath.Join(kerasFolder(), any.Name)
		if info, err := os.Stat(path); err == nil && info.Size() == any.Size {
			return path, nil
		}
	}
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
		"put the file %s at %s or in %s, or use --pretrained FILE", err, f.Name, f.Path(cache), kerasFolder())
}
