package serve

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lamina-go/lamina/classify"
	"github.com/lamina-go/lamina/internal/classifytest"
	"github.com/lamina-go/lamina/internal/device"
	"github.com/lamina-go/lamina/nn"
	"github.com/lamina-go/lamina/tensor"
)

// BenchmarkServe measures a server of vgg16 in this process, with clients that each send a PNG of
// 32x32 pixels and wait for the answer, and a Predictor alone:
//
//	go test -run '^$' -bench Serve -benchtime 60s ./internal/serve
func BenchmarkServe(b *testing.B) {
	o := device.Defaults()
	machine, err := o.Open(nil)
	if err != nil {
		b.Fatal(err)
	}
	defer machine.Close()
	sequential, err := nn.VGG("vgg16", nn.VGGOptions{Input: tensor.Shape{32, 32, 3}, Classes: 10, BatchNorm: true, Dropout: 0.5})
	if err != nil {
		b.Fatal(err)
	}
	network, err := nn.Build(sequential)
	if err != nil {
		b.Fatal(err)
	}
	vgg16, err := nn.NewModel(machine, network)
	if err != nil {
		b.Fatal(err)
	}
	if err := vgg16.Init(nn.HeNormal(), 1); err != nil {
		b.Fatal(err)
	}
	b.Run("predictor/batch=128", func(b *testing.B) {
		p, err := vgg16.NewPredictor(128)
		if err != nil {
			b.Fatal(err)
		}
		images := make([]float32, 128*32*32*3)
		for i := range images {
			images[i] = float32(i%256) - 115
		}
		began := time.Now()
		for b.Loop() {
			if _, err := p.Logits(images); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(128*b.N)/time.Since(began).Seconds(), "images/s")
	})
	known, err := classify.New(vgg16, "vgg16", classify.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(known, Options{Top: 3})
	if err != nil {
		b.Fatal(err)
	}
	defer known.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			benchmarkClients(b, "http://"+listener.Addr().String()+predictPath, clients)
		})
	}
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// benchmarkClients sends images to a server. Each client sends the next after an answer.
func benchmarkClients(b *testing.B, url string, clients int) {
	var pictures [][]byte
	for i := range 100 {
		pictures = append(pictures, classifytest.PNG(b, i))
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	ask := func(i int) error {
		r, err := client.Post(url, "image/png", bytes.NewReader(pictures[i%len(pictures)]))
		if err != nil {
			return err
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err == nil && r.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", r.Status, text)
		}
		return err
	}
	if err := ask(0); err != nil { // warms up
		b.Fatal(err)
	}
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	var group errgroup.Group
	b.ResetTimer()
	began := time.Now()
	for range clients {
		group.Go(func() error {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				sent := time.Now()
				if err := ask(int(i)); err != nil {
					return err
				}
				took[i] = time.Since(sent)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "images/s")
	slices.Sort(took)
	b.ReportMetric(took[b.N/2].Seconds()*1e3, "p50-ms")
	b.ReportMetric(took[b.N*99/100].Seconds()*1e3, "p99-ms")
}
