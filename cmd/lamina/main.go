// Command lamina trains, evaluates and serves convolutional networks. See lamina help.
package main

import "github.com/lamina-go/lamina/internal/command"

func main() { command.Main() }
