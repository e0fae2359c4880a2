package main

import (
	"os"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
)

func TestMain(m *testing.M) { os.Exit(clitest.Run(m, main)) }

// succeed runs the program, which must do what it is asked without a complaint, and returns what it printed.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	return clitest.Expect(t, clitest.Command(t, args...), 0)
}

// fail runs the program, which must end with the code and a sentence that has all the words.
func fail(t *testing.T, code int, words []string, args ...string) {
	t.Helper()
	clitest.Expect(t, clitest.Command(t, args...), code, words)
}

func start(t *testing.T, args ...string) *clitest.Process {
	t.Helper()
	return clitest.Start(t, clitest.Command(t, args...))
}
