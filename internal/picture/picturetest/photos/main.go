// Photos writes a folder of drawn pictures of five classes, of sides of 100 to 2,000 pixels, that
// vary as photos do. It is how the documents' examples can be repeated:
//
//	go run ./internal/picture/picturetest/photos DIR 1000
package main

import (
	"log"
	"os"
	"strconv"

	"github.com/lamina-go/lamina/internal/picture/picturetest"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: photos DIR NUMBER")
	}
	n, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = picturetest.Photos(os.Args[1], n, 100, 2000, 1)
	}
	if err != nil {
		log.Fatal(err)
	}
}
