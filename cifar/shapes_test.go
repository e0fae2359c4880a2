package cifar

import "testing"

func BenchmarkShapes(b *testing.B) {
	for b.Loop() {
		Shapes(1, 1000, 0)
	}
}
