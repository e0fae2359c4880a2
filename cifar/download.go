package cifar

import (
	"context"
	"errors"
	"fmt"

	"github.com/lamina-go/lamina/internal/fetch"
)

// official returns the binary distribution of https://www.cs.toronto.edu/~kriz/cifar.html.
func official() fetch.File {
	const name = "cifar-10-binary.tar.gz"
	return fetch.File{URL: "https://www.cs.toronto.edu/~kriz/" + name, Name: name,
		MD5: "c32a1d4ab5d03f1284b67883e8d87530", Size: 170_052_171}
}

// download returns the path of an archive in the cache folder, after downloading it if needed. An
// error says what to do instead.
func download(ctx context.Context, a fetch.File, cache string, progress func(done, total int64)) (string, error) {
	file, err := a.Get(ctx, cache, progress)
	switch {
	case err == nil:
		return file, nil
	case ctx.Err() != nil, errors.Is(err, fetch.ErrDamaged):
		return "", fmt.Errorf("cifar: %w", err)
	}
	return "", fmt.Errorf("cifar: CIFAR-10 cannot be downloaded: %w: use the built-in data with --data %s, or put the file %s at %s",
		err, BuiltIn, a.Name, a.Path(cache))
}
