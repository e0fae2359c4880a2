package tensor

// Finite reports whether v is neither infinite nor NaN.
func Finite[T float32 | float64](v T) bool { return v-v == 0 }
