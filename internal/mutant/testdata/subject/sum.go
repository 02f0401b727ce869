// Package subject is what the test of mutant breaks.
package subject

// Sum adds up what it is given.
func Sum(vs ...int) (sum int) {
	for _, v := range vs {
		sum += v // counted
	}
	return sum
}
