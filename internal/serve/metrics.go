package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	vm "github.com/VictoriaMetrics/metrics"
)

// metrics are those of /metrics, in the text format of Prometheus.
type metrics struct {
	set                  *vm.Set
	seconds              *vm.PrometheusHistogram
	batches              *vm.PrometheusHistogram
	classified, rejected *vm.Counter
}

func newMetrics(s *Server) *metrics {
	vm.ExposeMetadata(true)
	set := vm.NewSet()
	set.NewGauge("lamina_queue_pictures", func() float64 { return float64(s.waiting.Load()) })
	return &metrics{
		set:        set,
		seconds:    set.NewPrometheusHistogram("lamina_predict_seconds"),
		batches:    set.NewPrometheusHistogramExt("lamina_batch_pictures", []float64{1, 2, 4, 8, 16, 32}),
		classified: set.NewCounter(`lamina_pictures_total{result="classified"}`),
		rejected:   set.NewCounter(`lamina_pictures_total{result="rejected"}`),
	}
}

// observeRequest counts the answer to a request.
func (m *metrics) observeRequest(path string, status int, took time.Duration) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`lamina_requests_total{path=%q,status="%d"}`, path, status)).Inc()
	if path == predictPath && status == http.StatusOK {
		m.seconds.Update(took.Seconds())
	}
}

// observeImage counts an image.
func (m *metrics) observeImage(classified bool) {
	if classified {
		m.classified.Inc()
	} else {
		m.rejected.Inc()
	}
}

// observeBatch counts a batch and its images.
func (m *metrics) observeBatch(images int) { m.batches.Update(float64(images)) }

// writeMetrics answers /metrics.
func (m *metrics) writeMetrics(w http.ResponseWriter, _ *http.Request) error {
	var text bytes.Buffer
	m.set.WritePrometheus(&text)
	vm.WriteProcessMetrics(&text)
	return writeBody(w, http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", text.Bytes())
}
