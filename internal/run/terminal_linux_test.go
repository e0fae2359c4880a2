package run_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lamina-go/lamina/internal/clitest"
	"github.com/lamina-go/lamina/internal/run"
	"github.com/lamina-go/lamina/nn"
)

// TestClosedTerminals closes terminals in which runs train, at random moments: those of bash, and
// panes of tmux. Each run must have saved what it had shown, and end with the bits of one that was
// not disturbed. LAMINA_TEST_TERMINALS is how many of each kind to close; without it, none are:
//
//	LAMINA_TEST_TERMINALS=100 go test ./internal/run -run ClosedTerminals -v -timeout 1h
func TestClosedTerminals(t *testing.T) {
	closings, err := strconv.Atoi(os.Getenv("LAMINA_TEST_TERMINALS"))
	if err != nil {
		t.Skip("LAMINA_TEST_TERMINALS is not a number")
	}
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("the tests run under nohup, which the program honours")
	}
	alone := filepath.Join(t.TempDir(), "alone")
	began := time.Now()
	succeed(t, small(alone, "--save", filepath.Join(alone, "model.h5"))...)
	took := time.Since(began)
	want, wantModel := read(t, alone), fingerprint(t, filepath.Join(alone, "model.h5"))

	for name, open := range map[string]func(t *testing.T, env []string) terminal{"bash": openBash, "tmux": openTmux} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skip(err)
			}
			c := closer{T: t, open: open, took: took}
			for c.newRun(); c.closed < closings; {
				if c.close() {
					continue
				}
				c.finish(want, wantModel)
				c.newRun()
			}
			c.finish(want, wantModel)
			t.Logf("%s: %d terminals closed: %d before training, %d while it trained, %d after it had ended; "+
				"%d runs finished with the bits of the undisturbed one; no save lost: %v",
				name, c.closed, c.early, c.training, c.late, c.runs, !t.Failed())
		})
	}
}

// terminal is one in which a shell runs.
type terminal interface {
	enter(line string)
	shown() string // so far
	close()
}

// closer trains runs in terminals that it closes.
type closer struct {
	*testing.T
	open func(t *testing.T, env []string) terminal
	took time.Duration // by a run that is not disturbed

	dir                                 string
	ended                               bool // the run, by itself
	closed, early, training, late, runs int
}

func (c *closer) newRun() { c.dir, c.ended = filepath.Join(c.TempDir(), "run"), false }

// args returns the arguments that begin the run, or resume it.
func (c *closer) args() []string {
	if _, err := os.Stat(filepath.Join(c.dir, run.ConfigName)); err == nil {
		return []string{"--resume", c.dir}
	}
	return small(c.dir, "--save", filepath.Join(c.dir, "model.h5"))
}

// close trains the run, or resumes it, in a terminal that it closes within the time that a run
// takes. It returns whether there is more to train.
func (c *closer) close() (more bool) {
	c.Helper()
	before, args := c.position(), c.args()
	command := clitest.Command(c, args...)
	terminal := c.open(c.T, command.Env)
	line := quote(command.Path)
	for _, a := range args {
		line += " " + quote(a)
	}
	terminal.enter(line + "\n")
	time.Sleep(rand.N(c.took))
	at := time.Now()
	shown := terminal.shown()
	terminal.close()
	for c.alive() {
		if time.Since(at) > time.Minute {
			c.Fatalf("the program runs a minute after its terminal was closed; it had shown:\n%s", shown)
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.closed++
	after := c.position()
	finished := after.Epoch == 2
	switch {
	case strings.Contains(shown, "continue "):
		c.late++
		c.ended = true
	case strings.Contains(shown, "results "):
		c.training++
		info, err := os.Stat(filepath.Join(c.dir, run.CheckpointName))
		if err != nil {
			c.Fatalf("nothing was saved: %v; it had shown:\n%s", err, shown)
		}
		if !finished && info.ModTime().Before(at) {
			c.Errorf("nothing was saved when the terminal was closed; it had shown:\n%s", shown)
		}
	default:
		c.early++
	}
	last := before.Step
	if steps := stepShown.FindAllStringSubmatch(shown, -1); steps != nil {
		n := steps[len(steps)-1]
		step, _ := strconv.Atoi(n[1])
		perEpoch, _ := strconv.Atoi(n[2])
		epoch, _ := strconv.Atoi(n[3])
		last = (epoch-1)*perEpoch + step
	}
	if after.Step < last {
		c.Errorf("%d steps were saved, but %d were shown:\n%s", after.Step, last, shown)
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, ".lamina-*.tmp")); err != nil || len(left) > 0 {
		c.Errorf("%v, %v is left", left, err)
	}
	return !finished
}

var stepShown = regexp.MustCompile(`\((\d+)/(\d+)\) epoch (\d+)/`)

// position returns how far the run has been saved.
func (c *closer) position() nn.Position {
	c.Helper()
	if _, err := os.Stat(filepath.Join(c.dir, run.CheckpointName)); err != nil {
		return nn.Position{}
	}
	return read(c.T, c.dir).Position
}

// finish trains the rest of the run, if there is any, and compares it with one that was not
// disturbed.
func (c *closer) finish(want result, wantModel [32]byte) {
	c.Helper()
	model := filepath.Join(c.dir, "model.h5")
	if !c.ended {
		succeed(c.T, c.args()...)
	}
	same(c.T, c.dir, want)
	if fingerprint(c.T, model) != wantModel {
		c.Error("the model of --save is not that of an undisturbed run")
	}
	c.runs++
	os.RemoveAll(c.dir)
}

// alive reports whether a process trains the run.
func (c *closer) alive() bool {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte("\x00"+c.dir+"\x00")) {
			return true
		}
	}
	return false
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// bash is a terminal whose system and shell both tell the program that it is closed.
type bash struct {
	t       *testing.T
	master  *os.File
	command *exec.Cmd
	lock    sync.Mutex
	text    bytes.Buffer
	read    chan struct{} // closed at the end of the output
}

func openBash(t *testing.T, env []string) terminal {
	t.Helper()
	b := &bash{t: t, command: exec.Command("bash", "--norc", "--noprofile", "-i"), read: make(chan struct{})}
	master, slave, err := openTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	b.master = master
	b.command.Env, b.command.Dir = append(env, "TERM=xterm", "HISTFILE="), t.TempDir()
	b.command.Stdin, b.command.Stdout, b.command.Stderr = slave, slave, slave
	b.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := b.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(b.read)
		io.Copy(b, master)
	}()
	return b
}

// Write keeps what the terminal shows.
func (b *bash) Write(p []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.text.Write(p)
}

func (b *bash) shown() string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.text.String()
}

func (b *bash) enter(line string) {
	if _, err := io.WriteString(b.master, line); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bash) close() {
	if err := b.master.Close(); err != nil {
		b.t.Fatal(err)
	}
	<-b.read
	b.command.Wait()
}

// openTerminal returns both ends of a new pseudo-terminal.
func openTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	raw, err := master.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var number int
	if failed := raw.Control(func(fd uintptr) { // Fd would make Close wait for Read
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if err == nil {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200})
		}
	}); failed != nil {
		err = failed
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// tmux is a pane of a server of its own.
type tmux struct {
	t      *testing.T
	env    []string
	socket string
	output string // a file
}

func openTmux(t *testing.T, env []string) terminal {
	t.Helper()
	dir := t.TempDir()
	p := &tmux{t, append(env, "TERM=xterm", "HISTFILE="), filepath.Join(dir, "socket"), filepath.Join(dir, "output")}
	p.run("-f", "/dev/null", "new-session", "-d", "-x", "200", "-y", "50", "bash --norc --noprofile -i")
	p.run("pipe-pane", "-o", "cat > "+quote(p.output))
	t.Cleanup(func() { p.command("kill-server").Run() })
	return p
}

func (p *tmux) command(args ...string) *exec.Cmd {
	c := exec.Command("tmux", append([]string{"-S", p.socket}, args...)...)
	c.Env = p.env
	return c
}

func (p *tmux) run(args ...string) {
	p.t.Helper()
	if text, err := p.command(args...).CombinedOutput(); err != nil {
		p.t.Fatalf("tmux %q: %v: %s", args, err, text)
	}
}

func (p *tmux) enter(line string) { p.run("send-keys", "-l", line) }

func (p *tmux) shown() string {
	text, _ := os.ReadFile(p.output)
	return string(text)
}

func (p *tmux) close() { p.run([]string{"kill-pane", "kill-session", "kill-server"}[rand.N(3)]) }
