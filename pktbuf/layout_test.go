package pktbuf_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// TestBufHoldsNoPointer is what makes a million buffers free of cost to the
// garbage collector.
func TestBufHoldsNoPointer(t *testing.T) {
	var check func(typ reflect.Type)
	check = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Struct:
			for i := range typ.NumField() {
				check(typ.Field(i).Type)
			}
		case reflect.Array:
			check(typ.Elem())
		default:
			require.Contains(t, []reflect.Kind{reflect.Bool, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64}, typ.Kind())
		}
	}
	check(reflect.TypeFor[pktbuf.Buf]())
}

// A Buf that straddled two lines would share both with its neighbours.
func TestBufsFillLines(t *testing.T) {
	p := newPool(t, 2000, 64)
	bufs := make([]*pktbuf.Buf, 2000)
	require.Equal(t, 2000, p.GetN(bufs))
	for _, b := range bufs {
		require.Zero(t, uintptr(unsafe.Pointer(b))%64)
	}
}
