package tensor

// Finite reports whether v is neither infinite nor NaN.
func Finite(v float32) bool { return v-v == 0 }
