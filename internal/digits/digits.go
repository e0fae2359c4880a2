// Package digits formats large integers for people.
package digits

import "fmt"

// Group writes n ≥ 0 with commas between groups of three digits: 28,187,826.
func Group(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return Group(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
