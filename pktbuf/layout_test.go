package pktbuf_test

import (
	"reflect"
	"testing"

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

func TestNoAllocation(t *testing.T) {
	p := newPool(t, 1000, 64)
	c := p.NewCache()
	bufs := make([]*pktbuf.Buf, 300)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c.PutN(bufs[:c.GetN(bufs)])
		p.PutN(bufs[:p.GetN(bufs)])
		b, _ := c.Get()
		b.Append(10)
		bufs[0] = b
		c.PutN(bufs[:1])
	}))
}
