//go:build !race

package spsc_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

// Each line of the ring that can be wrong alone, wrong.
func TestMutants(t *testing.T) {
	mutant.Test(t, []mutant.Mutant{
		{Name: "early publish of a push", File: "ring.go", Race: true, Caught: "TestStress",
			Old: "	r.slots[tail&uint64(len(r.slots)-1)] = v\n	r.tail.publish(tail + 1) // A: release\n",
			New: "	r.tail.publish(tail + 1)\n	r.slots[tail&uint64(len(r.slots)-1)] = v\n"},
		{Name: "early publish of a pop", File: "ring.go", Race: true, Caught: "TestStress",
			Old: "	slot := &r.slots[head&uint64(len(r.slots)-1)]\n	v = *slot\n",
			New: "	slot := &r.slots[head&uint64(len(r.slots)-1)]\n	r.head.publish(head + 1)\n	v = *slot\n"},
		{Name: "early publish of a burst", File: "ring.go", Race: true, Caught: "TestStress",
			Old: "	copy(b, vs[copy(a, vs):n])\n	tail := r.tail.Load() + uint64(n)\n	r.prod.claim.publish(tail)\n	r.tail.publish(tail) // A: release\n",
			New: "	tail := r.tail.Load() + uint64(n)\n	r.prod.claim.publish(tail)\n	r.tail.publish(tail)\n	copy(b, vs[copy(a, vs):n])\n"},
		{Name: "neither acquire nor release", File: "ring.go", Race: true, Caught: "TestStress",
			Old: "type counter struct{ atomic.Uint64 }\n\n// publish hands over the slots before n.\nfunc (c *counter) publish(n uint64) { cpu.Publish(&c.Uint64, n) }\n",
			New: `
type counter struct{ n uint64 }

func (c *counter) Load() uint64     { return c.n }
func (c *counter) Store(n uint64)   { c.n = n }
func (c *counter) Add(n uint64)     { c.n += n }
func (c *counter) publish(n uint64) { c.n = n }
`},
		{Name: "full one too late", File: "ring.go", Caught: "TestModel",
			Old: "if tail-r.prod.head.seen >= r.limit.Load()", New: "if tail-r.prod.head.seen > r.limit.Load()"},
		{Name: "full one too early", File: "ring.go", Caught: "TestModel",
			Old: "if free := len(r.slots) - int(tail-r.prod.head.seen); free > 0", New: "if free := len(r.slots) - 1 - int(tail-r.prod.head.seen); free > 0"},
		{Name: "no look at the other side", File: "pace.go", Caught: "TestModel",
			Old: "	v.seen = now\n", New: "	if v.seen == 0 {\n		v.seen = now\n	}\n"},
		{Name: "second segment from the wrong place", File: "ring.go", Caught: "TestCorners/BurstAcrossTheEnd",
			Old: "return a, r.slots[:n-len(a)]", New: "return a, r.slots[len(a):n]"},
		{Name: "popped value kept alive", File: "ring.go", Caught: "TestCorners/PoppedValueIsNotKeptAlive",
			Old: "pointers: slots.HavePointers(reflect.TypeFor[T]())", New: "pointers: false && slots.HavePointers(reflect.TypeFor[T]())"},
		{Name: "lost wake-up of a popper", File: "wait.go", Caught: "TestWaiting/CloseWakesPoppers",
			Old: "	r.poppers.NotifyAll()\n", New: ""},
		{Name: "lost wake-up of a pusher", File: "ring.go", Caught: "TestWaiting/ReadinessComes",
			Old: "	r.head.publish(head + 1) // B: release\n	r.pushers.wake()\n", New: "	r.head.publish(head + 1)\n"},
		{Name: "lost wake-up by a commit", File: "inplace.go", Caught: "TestWaiting/CloseBetweenReserveAndCommit",
			Old: "	r.tail.publish(tail) // A: release\n	r.poppers.wake()\n", New: "	r.tail.publish(tail)\n"},
		{Name: "close drops the last values", File: "wait.go", Caught: "TestWaiting/ClosedIsDrainedByPoppers",
			Old: "		n = r.TryPopN(vs)\n		return n > 0 || r.drained()", New: "		if r.Closed() {\n			return true\n		}\n		n = r.TryPopN(vs)\n		return n > 0 || r.drained()"},
		{Name: "close forgets who is pushing", File: "wait.go", Caught: "TestWaiting/CloseBetweenReserveAndCommit",
			Old: "return claim == tail && r.head.Load() == tail", New: "return claim+1 > 0 && r.head.Load() == tail"},
		{Name: "closed and never full", File: "wait.go", Caught: "TestWaiting/ClosedIsFullForPushers",
			Old: "	r.limit.Store(0) // C\n", New: ""},
		{Name: "a claim that stays", File: "ring.go", Caught: "TestWaiting/CloseAtAnyPoint",
			Old: "	r.prod.claim.publish(tail)\n	r.poppers.wake()\n}", New: "	r.poppers.wake()\n}"},
		{Name: "no claim", File: "inplace.go", Caught: "TestWaiting/CloseBetweenReserveAndCommit",
			Old: "	r.prod.claim.publish(tail + 1)\n", New: ""},
		{Name: "lossy uses a buffer twice", File: "lossy.go", Caught: "TestLossyModel",
			Old: "			l.cons.spare = buffer\n", New: ""},
		{Name: "lossy forgets what it lost", File: "lossy.go", Caught: "TestLossyModel",
			Old: "l.prod.lost.publish(l.prod.lost.Load() + 1)", New: ""},
		{Name: "bytes without a mark where it begins anew", File: "bytes.go", Caught: "TestBytesModel",
			Old: "b.setHeader(tail, skipped)", New: "_ = tail"},
		{Name: "bytes full too late", File: "bytes.go", Caught: "TestBytesModel",
			Old: "		if end-b.prod.head > uint64(len(b.data)) {\n			return", New: "		if end-b.prod.head > uint64(len(b.data))+8 {\n			return"},
	})
}
