// Command train is the same program as lamina train. See --help.
package main

import "github.com/lamina-go/lamina/internal/command"

func main() { command.Main("train") }
