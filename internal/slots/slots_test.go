package slots_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/slots"
)

// What is past the capacity is out of reach of a burst.
func TestSlotsAreAsManyAsAskedFor(t *testing.T) {
	for _, n := range []int{1, 2, 1024} {
		require.Len(t, slots.Make[*int](n, 128), n)
		require.Equal(t, n, cap(slots.Make[*int](n, 128)))
		require.Len(t, slots.Make[struct{}](n, 128), n)
		require.Len(t, slots.Make[[1000]byte](n, 128), n)
	}
}

func TestHavePointers(t *testing.T) {
	for _, v := range []any{0, 1.5, 2i, true, uintptr(1), [3]int{}, struct{ a, b int }{}, struct{}{}, [0]*int{}} {
		require.False(t, slots.HavePointers(reflect.TypeOf(v)), "%T", v)
	}
	for _, v := range []any{"", new(int), []int{}, [1]*int{}, struct {
		a int
		b string
	}{}, make(chan int), map[int]int{}, func() {}, unsafe.Pointer(nil), struct{ any }{}} {
		require.True(t, slots.HavePointers(reflect.TypeOf(v)), "%T", v)
	}
}
