package run_test

import (
	"os"
	"testing"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/command"
)

func TestMain(m *testing.M) { os.Exit(clitest.Run(m, func() { command.Main("train") })) }

// succeed runs train, which must print no error, and returns what it prints.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	return clitest.Expect(t, clitest.Command(t, args...), 0)
}

// fail runs train, which must end with the code and one line of error that has all the words.
func fail(t *testing.T, code int, words []string, args ...string) {
	t.Helper()
	clitest.Expect(t, clitest.Command(t, args...), code, words)
}

func start(t *testing.T, args ...string) *clitest.Process {
	t.Helper()
	return clitest.Start(t, clitest.Command(t, args...))
}
