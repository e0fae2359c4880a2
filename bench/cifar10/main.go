// Cifar10 writes classes of CIFAR-10 as a folder of image files: the first images for training of
// each class to DIR/train/CLASS, and all for test to DIR/test/CLASS. It is how the documents'
// example of fine-tuning can be repeated:
//
//	go run ./bench/cifar10 DIR 200 cat dog
package main

import (
	"context"
	"fmt"
	"image/png"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/lamina-go/lamina/cifar"
	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 4 {
		log.Fatal("usage: cifar10 DIR NUMBER CLASS…")
	}
	if err := write(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}

func write(dir, number string, classes []string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	// The path of the data is $CIFAR10, or the official archive is downloaded.
	data, err := cifar.Open(context.Background(), os.Getenv("CIFAR10"), cifar.Options{})
	if err != nil {
		return err
	}
	for _, class := range classes {
		label := int32(slices.Index(data.Classes, class))
		if label < 0 {
			return fmt.Errorf("no class %q: choose of %q", class, data.Classes)
		}
		if err := writeClass(filepath.Join(dir, "train", class), data.Train, label, n); err != nil {
			return err
		}
		if err := writeClass(filepath.Join(dir, "test", class), data.Test, label, data.Test.Len()); err != nil {
			return err
		}
	}
	return nil
}

// writeClass writes the first n images of a class.
func writeClass(dir string, images cifar.Images, label int32, n int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	const bytes = cifar.Size * cifar.Size * cifar.Channels
	for i, other := range images.Labels {
		if other != label || n == 0 {
			continue
		}
		n--
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%05d.png", i)))
		if err != nil {
			return err
		}
		if err := png.Encode(f, picturetest.RGB(images.Pixels[i*bytes:(i+1)*bytes], cifar.Size)); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
