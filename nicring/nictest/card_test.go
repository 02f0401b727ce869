package nictest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

func TestFrameArrives(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	for i := range 40 {
		want := frame(mac, 60+i, byte(i))
		d.Deliver(want)
		require.Equal(t, want, d.recv())
		require.Nil(t, d.recv())
	}
}

func TestFrameIsSent(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	var got [][]byte
	d.Attach(func(f []byte) { got = append(got, append([]byte{}, f...)) })
	for i := range 40 {
		a, b := frame(mac, 60+i, byte(i)), frame(mac, 100+i, byte(i))
		got = nil
		d.send(a, b)
		require.Equal(t, [][]byte{a, b}, got)
		last := (d.txTail + 7) % 8
		require.EqualValues(t, 1, d.txStatus(last), "DD where RS was asked for")
		require.Zero(t, d.txStatus((last+7)%8), "no DD where it was not")
	}
}

func BenchmarkReceive(b *testing.B) {
	d := newTiny(b, 256, nictest.Options{Lax: true})
	f := frame(mac, 60, 0)
	b.ReportAllocs()
	for b.Loop() {
		d.Deliver(f)
		d.rxNext = (d.rxNext + 1) % d.n
		d.arm(1)
	}
}

func BenchmarkForward(b *testing.B) {
	d := newTiny(b, 256, nictest.Options{Lax: true, Deferred: true})
	e := newTiny(b, 256, nictest.Options{Lax: true, Deferred: true})
	nictest.Link(d.Card, e.Card)
	for i := range uint32(256) {
		d.setTx(i, d.bus+d.bufAt(256), 60|EOP|IFCS)
		copy(d.txBuf(0), frame(mac, 60, 0))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		d.txTail = (d.txTail + 32) % 256
		d.put64(d.txDesc((d.txTail + 255) % 256)[8:], 60|EOP|IFCS|RS)
		d.Write32(TDT, d.txTail)
		n += d.Step()
		n += e.Step()
		e.arm(32)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mdesc/s")
}
