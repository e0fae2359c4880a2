//go:build cudnn && cgo && linux

package cudnn

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scriptFolder returns a folder with run-on-gpu.sh and stand-ins for the programs that it runs.
// Each prints its name and arguments. The one called slow then hangs.
func scriptFolder(t *testing.T, slow string) (script string, flags []string) {
	t.Helper()
	dir := t.TempDir()
	write := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source, err := os.ReadFile("run-on-gpu.sh")
	if err != nil {
		t.Fatal(err)
	}
	script = filepath.Join(dir, "run-on-gpu.sh")
	write(script, string(source))
	write(filepath.Join(dir, "golden", "data"), "")
	for _, name := range []string{"lamina", "cudnn.test", "python", "bin/nvidia-smi", "bin/ncu", "bin/compute-sanitizer"} {
		does := "exit 0"
		if filepath.Base(name) == slow {
			does = "sleep 60"
		}
		write(filepath.Join(dir, name), `#!/bin/sh
echo "`+name+` $*"
mkdir -p "$XDG_CACHE_HOME/lamina" && echo '{"a pass": "algorithm 1"}' >"$XDG_CACHE_HOME/lamina/convolutions-cudnn.json"
`+does+"\n")
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	t.Setenv(variable, dir)
	return script, []string{"--report", filepath.Join(dir, "report"), "--python", filepath.Join(dir, "python")}
}

func reportOf(t *testing.T, script string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(script), "report", "report.txt"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// TestScript runs the first call of run-on-gpu.sh with programs that all succeed.
func TestScript(t *testing.T) {
	script, flags := scriptFolder(t, "")
	out, err := exec.Command("bash", append([]string{script, "1"}, flags...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	report := reportOf(t, script)
	for _, text := range []string{"# Call 1", "bin/nvidia-smi", "lamina train --data shapes", "-test.run ^TestCard$/^bf16$/", "-test.skip ^TestCard$/^bf16$/^(Network|", "peers.py --models vgg19 --precisions bf16 --steps 200",
		"bin/ncu", "algorithm 1", "\n0 parts failed"} {
		if !strings.Contains(report, text) {
			t.Errorf("the report lacks %q:\n%s", text, report)
		}
	}
	if strings.Contains(report, "**") {
		t.Errorf("a part failed:\n%s", report)
	}
}

// TestScriptEnds gives the script less time than its parts want.
func TestScriptEnds(t *testing.T) {
	script, flags := scriptFolder(t, "cudnn.test")
	begin := time.Now()
	out, err := exec.Command("bash", append([]string{script, "2", "--seconds", "7"}, flags...)...).CombinedOutput()
	if err == nil {
		t.Errorf("success without most of the parts:\n%s", out)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	report := reportOf(t, script)
	for _, text := range []string{"cudnn.test -test.short -test.v -test.run ^TestCardGolden(Models)?$", "**cut** after 7 s", "**left out**: no time is left", "\n9 parts failed or were cut"} {
		if !strings.Contains(report, text) {
			t.Errorf("the report lacks %q:\n%s", text, report)
		}
	}
}

// TestScriptKeepsItsReport kills the script in the middle of a part, which has written a line.
func TestScriptKeepsItsReport(t *testing.T) {
	script, flags := scriptFolder(t, "cudnn.test")
	command := exec.Command("bash", append([]string{script, "2"}, flags...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	const line = "cudnn.test -test.short -test.v -test.run ^TestCardGolden(Models)?$"
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(reportOf(t, script), line) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	command.Wait()
	if report := reportOf(t, script); !strings.Contains(report, line) {
		t.Errorf("the report lacks what ran before the end:\n%s", report)
	}
}

// TestScriptNeedsData expects an error without the reference data: its tests would be skipped.
func TestScriptNeedsData(t *testing.T) {
	script, flags := scriptFolder(t, "")
	if err := os.RemoveAll(filepath.Join(filepath.Dir(script), "golden")); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("bash", append([]string{script, "2"}, flags...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no reference data") {
		t.Errorf("%v: %s", err, out)
	}
	t.Setenv("LAMINA_GOLDEN", filepath.Join(t.TempDir(), "none"))
	out, err = exec.Command("bash", "run-on-gpu.sh", "--build", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no reference data") {
		t.Errorf("--build: %v: %s", err, out)
	}
}

// TestScriptFits adds up the limits of each call's parts.
func TestScriptFits(t *testing.T) {
	source, err := os.ReadFile("run-on-gpu.sh")
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile(`(?s)\n[12]\)\n.*?;;`).FindAllString(string(source), -1)
	if len(calls) != 2 {
		t.Fatalf("%d calls", len(calls))
	}
	for i, call := range calls {
		total := 0
		for _, limit := range regexp.MustCompile(`(?m)^\tpart ".*?" (\d+) `).FindAllStringSubmatch(call, -1) {
			seconds, err := strconv.Atoi(limit[1])
			must(t, seconds, err)
			total += seconds
		}
		if total < 100 || total > 345 {
			t.Errorf("the parts of call %d may take %d s, want at most 345", i+1, total)
		}
	}
}
