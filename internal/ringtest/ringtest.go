// Package ringtest is the trial that every ring in Ferrule passes, and the
// measure that every ring is put to.
package ringtest

// A Ring is what the rings have in common.
type Ring[T any] interface {
	TryPush(v T) bool
	TryPop() (v T, ok bool)
	TryPushN(vs []T) int
	TryPopN(vs []T) int
	Len() int
	Cap() int
}
