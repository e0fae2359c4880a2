//go:build cudnn && cgo && linux

package cudnn

// #include "launch.h"
import "C"

import (
	"fmt"

	"github.com/lamina-go/lamina/backend"
	"github.com/lamina-go/lamina/tensor"
)

// dense is a fully connected layer: three products by cuBLAS, which sees our row-major matrices
// transposed.
type dense struct {
	b          *Backend
	spec       backend.DenseSpec
	rows       backend.Rows // of the weights, for the backward passes
	x, y, w, c tensor.Shape
	sums       int64         // in bf16: offset of y in float32, behind w in the scratch memory
	kept       C.CUdeviceptr // in bf16: the weights that Forward converts for BackwardData
}

// Workspaces of cuBLAS, as NVIDIA recommends them.
const (
	cublasWorkspace       = 4 << 20
	cublasWorkspaceHopper = 32 << 20
)

// openProducts initializes cuBLAS, with a workspace, as it must not allocate while a step is
// recorded.
func (b *Backend) openProducts() error {
	if err := b.blas("cublasCreate", C.lamina_cublasCreate_v2(b.api, &b.cublas)); err != nil {
		return err
	}
	if err := b.blas("cublasSetStream", C.lamina_cublasSetStream_v2(b.api, b.cublas, b.stream)); err != nil {
		return err
	}
	if b.api.cublasSetWorkspace_v2 != nil {
		bytes := int64(cublasWorkspace)
		if b.card.major >= 9 {
			bytes = cublasWorkspaceHopper
		}
		at, err := b.alloc(bytes)
		if err != nil {
			return err
		}
		if err := b.blas("cublasSetWorkspace", C.lamina_setWorkspace(b.api, b.cublas, at, C.size_t(bytes))); err != nil {
			return err
		}
	}
	mode := C.lamina_enum(C.LAMINA_CUBLAS_DEFAULT_MATH)
	if b.options.Precision == "tf32" {
		mode = C.LAMINA_CUBLAS_TF32_TENSOR_OP_MATH
	}
	return b.blas("cublasSetMathMode", C.lamina_cublasSetMathMode(b.api, b.cublas, mode))
}

// Dense makes a plan of a fully connected layer.
func (b *Backend) Dense(s backend.DenseSpec) (backend.Dense, error) {
	if err := s.Function.Check(); err != nil {
		return nil, err
	}
	leave := b.enter()
	defer leave()
	d := &dense{
		b: b, spec: s, rows: s.Rows(),
		x: tensor.Shape{s.N, s.In}, y: tensor.Shape{s.N, s.Out},
		w: tensor.Shape{s.Rows().Len(), s.Out}, c: tensor.Shape{s.Out},
	}
	if b.bf16 {
		d.sums = aligned(b.bytes(d.w.Size()))
		if err := b.reserve(&b.memory.packed, d.sums+4*int64(d.y.Size())); err != nil {
			return nil, err
		}
		// A plan of a slice is for the backward passes only.
		if !s.Inference && !s.NoInputGrad && s.Slice == (backend.Rows{}) {
			var err error
			if d.kept, err = b.alloc(b.bytes(d.w.Size())); err != nil {
				return nil, err
			}
		}
	}
	if s.Inference || s.BatchNorm {
		return d, nil
	}
	return d, b.reserveSums(s.N, s.Out)
}

// matrix is one of ours, with its number of columns, transposed or not.
type matrix struct {
	at         C.CUdeviceptr
	columns    int
	transposed bool
}

// product sets m rows and n columns of c, activations or float32, to a·b, with sums of k products.
func (d *dense) product(c, a, b matrix, m, n, k int, float32s bool) {
	if d.b.err != nil {
		return
	}
	kind := C.lamina_enum(C.LAMINA_CUDA_R_32F)
	if d.b.bf16 {
		kind = C.LAMINA_CUDA_R_16BF
	}
	kindC := kind
	if float32s {
		kindC = C.LAMINA_CUDA_R_32F
	}
	operation := func(x matrix) C.lamina_enum {
		if x.transposed {
			return C.LAMINA_CUBLAS_OP_T
		}
		return C.LAMINA_CUBLAS_OP_N
	}
	// cᵀ = bᵀ·aᵀ
	status := C.lamina_gemm(d.b.api, d.b.cublas, operation(b), operation(a), C.int(n), C.int(m), C.int(k),
		b.at, C.int(b.columns), a.at, C.int(a.columns), c.at, C.int(c.columns), kind, kindC)
	if status != 0 {
		d.b.fail(d.b.blas(fmt.Sprintf("the product of a dense layer, %dx%d to %d", d.spec.N, d.spec.In, d.spec.Out), status))
	}
}

// convert returns w in the type of activations, for Forward, and keeps that for BackwardData.
func (d *dense) convert(w C.CUdeviceptr) C.CUdeviceptr {
	to, n := d.b.memory.packed.at, d.w.Size()
	if d.kept != 0 {
		to = d.kept
	}
	d.b.elementwise("from_float", n, pointer(to), pointer(w), count(n))
	d.b.keepWeights(w, n, false, d.kept)
	return to
}

// converted returns w in the type of activations, for BackwardData.
func (d *dense) converted(w C.CUdeviceptr) C.CUdeviceptr {
	if !d.b.bf16 {
		return w
	}
	if at, ok := d.b.packedWeights(w, d.w.Size(), false); ok {
		return at
	}
	return d.convert(w)
}

// Forward computes y = x·w + b.
func (d *dense) Forward(y, x, w, b tensor.Tensor) {
	s := &d.spec
	yAt, xAt, wAt, bias := address(y, d.y), address(x, d.x), address(w, d.w), addressOrNil(b, d.c)
	if !d.b.bf16 {
		d.product(matrix{yAt, s.Out, false}, matrix{xAt, s.In, false}, matrix{wAt, s.Out, false}, s.N, s.Out, s.In, true)
		d.b.addBias(yAt, bias, s.N, s.Out, s.Function, s.BatchNorm && !s.Inference)
		return
	}
	sums := d.b.memory.packed.at + C.CUdeviceptr(d.sums)
	d.product(matrix{sums, s.Out, false}, matrix{xAt, s.In, false}, matrix{d.convert(wAt), s.Out, false}, s.N, s.Out, s.In, true)
	name, last := floorOr("bias_of", s.Function)
	d.b.rows(name, s.N, s.Out, append([]argument{pointer(yAt), pointer(sums), pointer(bias), count(s.N), integer(s.Out)}, last...)...)
}

// BackwardFilter computes dw = xᵀ·dy and db.
func (d *dense) BackwardFilter(dw, db, dy, x tensor.Tensor) {
	s := &d.spec
	dwAt, dyAt := address(dw, d.w), address(dy, d.y)
	d.product(matrix{dwAt, s.Out, false}, d.columns(x, true), matrix{dyAt, s.Out, false}, d.rows.Len(), s.Out, s.N, true)
	d.b.biasGradient(addressOrNil(db, d.c), dyAt, s.N, s.Out, s.BatchNorm)
}

// BackwardData computes dx = dy·wᵀ.
func (d *dense) BackwardData(dx, dy, w tensor.Tensor) {
	s := &d.spec
	dyAt, wAt := address(dy, d.y), address(w, d.w)
	d.product(d.columns(dx, false), matrix{dyAt, s.Out, false}, matrix{d.converted(wAt), s.Out, true}, s.N, d.rows.Len(), s.Out, false)
}

// columns returns the columns of x or dx that belong to the plan's rows of w.
func (d *dense) columns(x tensor.Tensor, transposed bool) matrix {
	return matrix{address(x, d.x) + C.CUdeviceptr(d.b.bytes(d.rows.From)), d.spec.In, transposed}
}
