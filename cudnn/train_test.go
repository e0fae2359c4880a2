//go:build cudnn && cgo && linux

package cudnn

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTrain runs the program: on the CPU where there is no card, on the card, and a run begun on
// each and resumed on the other.
func TestTrain(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a network of 28 million weights on emulated kernels")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "train")
	if out, err := exec.Command("go", "build", "-tags", "cudnn", "-o", program, "../cmd/train").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Setenv("XDG_CACHE_HOME", dir)
	nowhere, card := filepath.Join(dir, "nowhere"), fakeLocations(t, compileFake(t))[0].dirs[0]
	small := []string{"--data", "shapes", "--model", "vgg11", "--limit", "2", "--val-limit", "2", "--batch", "2", "--epochs", "1"}
	train := func(libraries string, want int, args ...string) string {
		t.Helper()
		command := exec.Command(program, args...)
		command.Env = append(os.Environ(), variable+"="+libraries)
		var out bytes.Buffer
		command.Stdout, command.Stderr = &out, &out
		err := command.Run()
		if got := command.ProcessState.ExitCode(); got != want {
			t.Fatalf("train %q exits %d (%v), want %d:\n%s", args, got, err, want, out.String())
		}
		return out.String()
	}
	expect := func(out string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(out, text) {
				t.Errorf("the output lacks %q:\n%s", text, out)
			}
		}
	}
	onCPU, onCard := filepath.Join(dir, "cpu"), filepath.Join(dir, "card")
	if _, err := open("libcuda.so.1"); err != nil { // there is no driver, so no card is found
		expect(train(nowhere, 1, append(small, "--backend", "cudnn")...), "--backend cudnn: cudnn: there is no libcuda.so.1", "install NVIDIA's driver")
		expect(train(nowhere, 1, append(small, "--precision", "tf32")...), "--precision tf32: cudnn: there is no libcuda.so.1")
		expect(train(nowhere, 0, append(small, "--out", onCPU)...), "note: using the CPU: cudnn: there is no libcuda.so.1", "cpu/")
	} else {
		train(nowhere, 0, append(small, "--backend", "cpu", "--out", onCPU)...)
	}
	expect(train(card, 0, append(small, "--out", onCard, "--verbose")...), "cudnn/Fake 80", `"cudnn/Fake 80, cuDNN 9.10.2, fp32: forward 2x32x32 3→64 3x3": "algorithm 1, math type 3, 1 MiB of workspace, 0.002 ms"`)
	expect(train(nowhere, 0, "--resume", onCard, "--backend", "cpu", "--epochs", "2"), "cpu/", "the run began on cudnn/Fake 80")
	expect(train(card, 0, "--resume", onCPU, "--backend", "cudnn", "--epochs", "2"), "cudnn/Fake 80", "the run began on cpu/")

	t.Run("memory", func(t *testing.T) {
		t.Setenv("FAKE_MEMORY", "700000000")
		expect(train(card, 1, append(small[:4:4], "--limit", "512", "--batch", "512", "--out", filepath.Join(dir, "memory"))...),
			"not enough memory on the card", "are free: --batch ", " fits")
	})
	t.Run("failure in a step", func(t *testing.T) {
		before, err := os.ReadFile(filepath.Join(onCard, "checkpoint.lamina"))
		if err != nil {
			t.Fatal(err)
		}
		log := filepath.Join(dir, "log")
		t.Setenv("FAKE_LOG", log)
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		t.Setenv("FAKE_FAIL", "cuLaunchKernel:50:719")
		expect(train(card, 1, "--resume", onCard, "--epochs", "3", "--backend", "auto"), "failed: unspecified launch failure (719)", "train --resume")
		if after, err := os.ReadFile(filepath.Join(onCard, "checkpoint.lamina")); err != nil || !bytes.Equal(after, before) {
			t.Errorf("the checkpoint changed (%v)", err)
		}
		for _, call := range lines(t, log) {
			if strings.HasPrefix(call, "cudnnFind") {
				t.Fatal("a resumed run measures again which algorithms are the fastest")
			}
		}
	})
}
