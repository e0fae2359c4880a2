// Command train is the command train of lamina. See --help.
package main

import "github.com/lamina-go/lamina/internal/command"

func main() { command.Main("train") }
