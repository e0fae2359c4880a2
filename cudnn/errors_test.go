//go:build cudnn && cgo && linux

package cudnn

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// says fails the test unless the error has all of the texts, and is one line. With -v it shows the
// error.
func says(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", texts)
	}
	t.Log(err)
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error is\n%v\nand does not say %q", err, text)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %q", err)
	}
}

func TestMissingLibraries(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	fake := compileFake(t)
	for _, c := range []struct {
		name    string
		present []string
		says    []string
	}{
		{
			"driver",
			[]string{"libcudnn.so.9"},
			[]string{"there is no libcuda.so.1", "looked in $LAMINA_CUDA (", "install NVIDIA's driver"},
		},
		{
			"nvrtc",
			[]string{"libcuda.so.1"},
			[]string{"there is no libnvrtc.so.12 or libnvrtc.so.11.2", "cuda-nvrtc-12-8", "nvidia-cuda-nvrtc-cu12"},
		},
		{
			"cublas",
			[]string{"libcuda.so.1", "libnvrtc.so.12"},
			[]string{"there is no libcublas.so.12", "libcublas-12-8", "nvidia-cublas-cu12"},
		},
		{
			"cudnn",
			[]string{"libcuda.so.1", "libnvrtc.so.11.2", "libcublas.so.11"},
			[]string{
				"there is no libcudnn.so.9 or libcudnn.so.8 or libcudnn.so.7",
				"cudnn9-cuda-12",
				"nvidia-cudnn-cu12",
			},
		},
		{"cudnn of another time", []string{"libcuda.so.1", "libnvrtc.so.12", "libcublas.so.12",
			"libcudnn.so.6", "libcudnn.so.10"},
			[]string{"libcudnn.so.10", "libcudnn.so.6 is too old, or too new", "nvidia-cudnn-cu12"}},
		{
			"cublas for a later driver",
			[]string{"libcuda.so.1", "libnvrtc.so.12", "libcublas.so.13"},
			[]string{"libcublas.so.13 is too old, or too new for the driver or the card; want libcublas.so.12"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := openAt(Options{}, fakeLocations(t, fake, c.present...))
			says(t, err, c.says...)
		})
	}
}

func TestUnloadableLibraries(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Run("no library", func(t *testing.T) {
		where := fakeLocations(t, compileFake(t), "libcuda.so.1", "libnvrtc.so.12", "libcublas.so.12")
		path := filepath.Join(where[0].dirs[0], "libcudnn.so.9")
		if err := os.WriteFile(path, []byte("not a library"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := openAt(Options{}, where)
		says(t, err, path+" cannot be loaded", "nvidia-cudnn-cu12")
	})
	t.Run("function missing", func(t *testing.T) {
		where := fakeLocations(t, compileFake(t), "libcuda.so.1", "libnvrtc.so.12", "libcublas.so.12")
		path := filepath.Join(where[0].dirs[0], "libcudnn.so.9")
		if out, err := exec.Command("gcc", "-shared", "-o", path, "-x", "c", "/dev/null").CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
		_, err := openAt(Options{}, where)
		says(t, err, path+" has no function cudnnCreate", "nvidia-cudnn-cu12")
	})
}

// TestOldLibraries opens a driver, NVRTC and cuBLAS without the functions that came later, and
// trains on them.
func TestOldLibraries(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("FAKE_CUDNN", "7605")
	t.Setenv("FAKE_DRIVER", "10010")
	t.Setenv("FAKE_CAPABILITY", "61")
	where := fakeLocations(t, compileFake(t, "-DOLD"), "libcuda.so.1", "libnvrtc.so.10.1", "libcublas.so.10",
		"libcudnn.so.7")
	b, err := openAt(Options{}, where)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.api.cuGraphInstantiateWithFlags != nil || b.api.nvrtcGetCUBIN != nil || b.api.cublasSetWorkspace_v2 != nil || b.api.cublasGetStatusString != nil ||
		b.api.cudnnGetLastErrorString != nil {
		t.Error("the old libraries have new functions: the test proves nothing")
	}
	n := newSmallNetwork(t, b)
	n.steps(3)
	if _, err := n.trained.Metrics(nil); err != nil {
		t.Error(err)
	}
}

func TestDevices(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, c := range []struct {
		name        string
		environment map[string]string
		options     Options
		says        []string
	}{
		{
			"no card",
			map[string]string{"FAKE_DEVICES": "0"},
			Options{},
			[]string{"finds no NVIDIA card", "nvidia-smi", "CUDA_VISIBLE_DEVICES"},
		},
		{
			"driver broken",
			map[string]string{"FAKE_FAIL": "cuInit:1:719"},
			Options{},
			[]string{"cuInit failed: unspecified launch failure (719)", "nvidia-smi"},
		},
		{
			"driver too old",
			map[string]string{"FAKE_DRIVER": "9020"},
			Options{},
			[]string{"driver is of CUDA 9.2, too old", "10.1"},
		},
		{
			"card too old",
			map[string]string{"FAKE_CAPABILITY": "52"},
			Options{},
			[]string{"Fake 52 has compute capability 5.2", "6.0 (Pascal)"},
		},
		{
			"bf16 on Pascal",
			map[string]string{"FAKE_CAPABILITY": "61"},
			Options{Precision: "bf16"},
			[]string{"bf16 is for cards of compute capability 8.0", "Fake 61 has 6.1", "use fp32"},
		},
		{"cuDNN too old", map[string]string{"FAKE_CUDNN": "7500"}, Options{}, []string{"is version 7.5.0, too old"}},
		{"cuDNN too new", map[string]string{"FAKE_CUDNN": "100000"}, Options{}, []string{"is version 10.0.0, too new"}},
		{
			"cuDNN too new for Pascal",
			map[string]string{"FAKE_CUDNN": "91100", "FAKE_CAPABILITY": "61"},
			Options{},
			[]string{"is version 9.11.0, which no longer supports Fake 61", "nvidia-cudnn-cu12<9.11"},
		},
		{
			"NVRTC refuses",
			map[string]string{"FAKE_FAIL": "nvrtcCompileProgram:1:6"},
			Options{},
			[]string{
				"nvrtcCompileProgram failed: NVRTC_ERROR_COMPILATION (6)",
				"kernels(7): error: a fault",
				"libnvrtc.so.12, version 12.8",
				"nvidia-cuda-nvrtc-cu12",
			},
		},
		{
			"no memory at all",
			map[string]string{"FAKE_MEMORY": "1000000"},
			Options{},
			[]string{"not enough memory on the card: 4 MiB more are needed"},
		},
		{
			"no such precision",
			nil,
			Options{Precision: "fp16"},
			[]string{`precision "fp16" is none of [fp32 tf32 bf16]`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.environment {
				t.Setenv(name, value)
			}
			b, err := openAt(c.options, fakeLocations(t, compileFake(t)))
			if b != nil {
				t.Error("a backend along with the error")
			}
			says(t, err, c.says...)
		})
	}
}

// TestReason expects cuDNN's own words about an error, on the same line.
func TestReason(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	b := openFake(t, Options{})
	defer b.Close()
	t.Setenv("FAKE_FAIL", "cudnnSetTensor4dDescriptor:1:3")
	_, err := b.Conv2D(backend.Conv2DSpec{N: 1, H: 4, W: 4, In: 3, Out: 4, Window: tensor.Centered(3)})
	says(t, err, "cudnnSetTensor4dDescriptor failed: CUDNN_STATUS_BAD_PARAM (3): Error: as FAKE_FAIL says; Reason: it is a test, for conv 3x3")
}

func TestTooWide(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	b := openFake(t, Options{})
	defer b.Close()
	const widest = 16 * counters // each block sums 16 columns
	if _, err := b.Dense(backend.DenseSpec{N: 1, In: 1, Out: widest}); err != nil {
		t.Error(err)
	}
	_, err := b.Dense(backend.DenseSpec{N: 1, In: 1, Out: widest + 16})
	says(t, err, "262160 channels", "use the cpu backend")
}

func TestOutOfMemory(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("FAKE_MEMORY", "104857600")
	b := openFake(t, Options{})
	defer b.Close()
	_, err := b.Activations(tensor.Shape{128, 32, 32, 1024})
	says(t, err, "not enough memory on the card: 512 MiB more are needed", "of its 100 MiB are free")
	var full *MemoryError
	if !errors.Is(err, backend.ErrMemory) || !errors.As(err, &full) || full.Wanted != 512<<20 || full.Total != 100<<20 || full.Free >= 100<<20 {
		t.Errorf("%#v", full)
	}
	// The rest of the memory is still good, and an algorithm is found without measuring.
	if _, err := b.Activations(tensor.Shape{128, 32, 32, 3}); err != nil {
		t.Error(err)
	}
	if _, err := b.Conv2D(backend.Conv2DSpec{N: 2, H: 4, W: 4, In: 3, Out: 5, Window: tensor.Centered(3)}); err != nil {
		t.Error(err)
	}
}

// TestFailuresStay lets each kind of call fail once, at its first use in a step and later: Run or
// Metrics returns the error, so does all that follows, and Close frees everything all the same.
func TestFailuresStay(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, c := range []struct {
		fail string
		says string
	}{
		{"cuLaunchKernel:10:719", "kernel "},
		{"cuLaunchKernel:30+:719", "kernel "}, // when it is recorded, and then
		{"cuGraphLaunch:2:719", "cuGraphLaunch failed: unspecified launch failure (719)"},
		{"cuMemcpyHtoDAsync_v2:4:719", "cuMemcpyHtoDAsync failed"},
		{
			"cudnnConvolutionForward:1:8",
			"forward pass of conv 3x3, 6x8x8x3 to 8 failed: CUDNN_STATUS_EXECUTION_FAILED (8)",
		},
		{"cudnnConvolutionBackwardFilter:1:8", "backward filter pass of conv"},
		{
			"cublasSgemm_v2:2:13",
			"the product of a dense layer, 6x128 to 10 failed: CUBLAS_STATUS_EXECUTION_FAILED (13)",
		},
		{"cuStreamSynchronize:4:719", "a step on the card failed: unspecified launch failure (719)"},
	} {
		t.Run(c.fail, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			t.Setenv("FAKE_LOG", log)
			b := openFake(t, Options{})
			n := newSmallNetwork(t, b)
			t.Setenv("FAKE_FAIL", c.fail)
			var err error
			for i := 0; i < 6 && err == nil; i++ {
				if err = n.step(uint64(i)); err == nil {
					_, err = n.trained.Metrics(nil)
				}
			}
			says(t, err, c.says)
			if _, again := n.trained.Metrics(nil); again == nil || again.Error() != err.Error() {
				t.Errorf("then Metrics says %v", again)
			}
			if again := n.step(9); again == nil {
				t.Error("then a step succeeds")
			}
			if again := b.Read(make([]float32, 10), n.weights(10)); again == nil {
				t.Error("then Read succeeds")
			}
			os.Unsetenv("FAKE_FAIL")
			b.Close()
			nothingLeft(t, log)
		})
	}
}

// TestRefusedGraphs trains where steps cannot be recorded: one by one, to the same bits, and says
// so in a line.
func TestRefusedGraphs(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("FAKE_LOG", log)
	train := func(fail string) (weights []float32, notes []string) {
		b := openFake(t, Options{Note: func(line string) { notes = append(notes, line) }})
		n := newSmallNetwork(t, b)
		if fail != "" {
			t.Setenv("FAKE_FAIL", fail)
			defer os.Unsetenv("FAKE_FAIL")
		}
		n.steps(5)
		weights = make([]float32, n.all.Shape().Size())
		if err := b.Read(weights, n.all); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		nothingLeft(t, log)
		return weights, notes
	}
	want, notes := train("")
	if len(notes) != 0 {
		t.Errorf("notes %q where all is well", notes)
	}
	for fail, says := range map[string]string{
		"cuStreamBeginCapture_v2:1:2": "cuStreamBeginCapture failed: out of memory (2)",
		"cuStreamEndCapture:1:2":      "cuStreamEndCapture failed: out of memory (2)",
		"cuGraphInstantiate:1:2":      "cuGraphInstantiate failed: out of memory (2)",
		"cudnnConvolutionForward:2:8": "forward pass of conv 3x3, 6x8x8x3 to 8 failed",
		"cuLaunchKernel:30:900":       "operation not permitted when stream is capturing (900)",
	} {
		t.Run(fail, func(t *testing.T) {
			weights, notes := train(fail)
			if len(notes) != 1 || !strings.Contains(notes[0], "launched one by one") || !strings.Contains(notes[0], says) {
				t.Errorf("notes %q, want one with %q", notes, says)
			}
			if !slices.Equal(weights, want) {
				t.Error("other weights")
			}
		})
	}
}
