package ringtest

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"weak"
)

// Corners tries what a ring does at its edges. newAt returns an empty ring
// whose counters all stand at n, so slot n of the capacity is the first used.
func Corners(t *testing.T, newAt func(capacity int, n uint64) Ring[*int]) {
	corner := func(name string, try func(c corners)) {
		t.Run(name, func(t *testing.T) { try(corners{t, newAt}) })
	}
	corner("PopFromEmpty", popFromEmpty)
	corner("PushIntoLastSlot", pushIntoLastSlot)
	corner("OneSlot", oneSlot)
	corner("BurstOfNothing", burstOfNothing)
	corner("BurstAcrossTheEnd", burstAcrossTheEnd)
	corner("BurstLargerThanTheRing", burstLargerThanTheRing)
	corner("BurstFillsWhatIsLeft", burstFillsWhatIsLeft)
	corner("PoppedValueIsNotKeptAlive", poppedValueIsNotKeptAlive)
	corner("NothingAllocated", nothingAllocated)
}

type corners struct {
	*testing.T
	newAt func(capacity int, n uint64) Ring[*int]
}

// want compares what calls returned with what they should have.
func (c corners) want(what string, got, want any) {
	c.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		c.Fatalf("%s = %s, want %s", what, g, w)
	}
}

// pops takes n values singly and returns what they point to.
func (c corners) pops(r Ring[*int], n int) (got []int) {
	c.Helper()
	for range n {
		v, ok := r.TryPop()
		c.want("TryPop of a ring not empty", ok, true)
		got = append(got, *v)
	}
	return got
}

// numbers returns pointers to first, first+1 and so on.
func numbers(first, count int) []*int {
	vs := make([]*int, count)
	for i := range vs {
		n := first + i
		vs[i] = &n
	}
	return vs
}

func popFromEmpty(c corners) {
	r := c.newAt(4, 0)
	for range 2 {
		v, ok := r.TryPop()
		c.want("TryPop", ok, false)
		c.want("its value", v == nil, true)
		c.want("TryPopN", r.TryPopN(make([]*int, 3)), 0)
		c.want("Len", r.Len(), 0)
	}
	c.want("Cap", r.Cap(), 4)
}

func pushIntoLastSlot(c corners) {
	r := c.newAt(4, 0)
	for held, v := range numbers(0, 4) {
		c.want("TryPush", r.TryPush(v), true)
		c.want("Len", r.Len(), held+1)
	}
	c.want("TryPush when full", r.TryPush(nil), false)
	c.want("TryPushN when full", r.TryPushN(numbers(9, 1)), 0)
	c.want("the first", c.pops(r, 1), []int{0})
	c.want("TryPush after a pop", r.TryPush(numbers(4, 1)[0]), true)
	c.want("TryPush when full again", r.TryPush(nil), false)
	c.want("the rest", c.pops(r, 4), []int{1, 2, 3, 4})
	c.want("Len", r.Len(), 0)
}

func oneSlot(c corners) {
	r := c.newAt(1, 0)
	for n := range 5 {
		c.want("TryPush when empty", r.TryPush(&n), true)
		c.want("TryPush when full", r.TryPush(nil), false)
		c.want("the value", c.pops(r, 1), []int{n})
		_, ok := r.TryPop()
		c.want("TryPop when empty", ok, false)
		c.want("TryPushN when empty", r.TryPushN([]*int{&n, nil}), 1)
		c.want("TryPushN when full", r.TryPushN([]*int{nil}), 0)
		vs := make([]*int, 2)
		c.want("TryPopN when full", r.TryPopN(vs), 1)
		c.want("its value", *vs[0], n)
		c.want("TryPopN when empty", r.TryPopN(vs), 0)
	}
}

func burstOfNothing(c corners) {
	r := c.newAt(2, 0)
	c.want("TryPushN of none", r.TryPushN(nil), 0)
	c.want("TryPopN of none when empty", r.TryPopN(nil), 0)
	r.TryPush(numbers(7, 1)[0])
	c.want("TryPopN of none", r.TryPopN(nil), 0)
	c.want("the value", c.pops(r, 1), []int{7})
}

func burstAcrossTheEnd(c corners) {
	for start := range uint64(8) {
		for burst := 1; burst <= 8; burst++ {
			r := c.newAt(8, start)
			in := numbers(0, burst)
			c.want("TryPushN", r.TryPushN(in), burst)
			c.want("Len", r.Len(), burst)
			out := make([]*int, burst)
			c.want("TryPopN", r.TryPopN(out), burst)
			c.want("the values", slices.Equal(in, out), true)
		}
	}
}

func burstLargerThanTheRing(c corners) {
	for start := range uint64(4) {
		r := c.newAt(4, start)
		in := numbers(0, 11)
		c.want("TryPushN", r.TryPushN(in), 4)
		c.want("TryPushN when full", r.TryPushN(in[4:]), 0)
		out := make([]*int, 11)
		c.want("TryPopN", r.TryPopN(out), 4)
		c.want("the values", slices.Equal(in[:4], out[:4]), true)
		c.want("what lies beyond is untouched", slices.IndexFunc(out[4:], func(v *int) bool { return v != nil }), -1)
	}
}

func burstFillsWhatIsLeft(c corners) {
	r := c.newAt(8, 6)
	c.want("TryPushN", r.TryPushN(numbers(0, 5)), 5)
	c.want("TryPushN of more than fits", r.TryPushN(numbers(5, 5)), 3)
	c.want("singly", c.pops(r, 3), []int{0, 1, 2})
	out := make([]*int, 8)
	c.want("TryPopN of more than there is", r.TryPopN(out), 5)
	c.want("the first of them", *out[0], 3)
	c.want("the last of them", *out[4], 7)
}

func poppedValueIsNotKeptAlive(c corners) {
	for name, pop := range map[string]func(r Ring[*int]){
		"TryPop":  func(r Ring[*int]) { c.pops(r, 4) },
		"TryPopN": func(r Ring[*int]) { c.want("TryPopN", r.TryPopN(make([]*int, 4)), 4) },
	} {
		r := c.newAt(4, 2) // a burst of 4 goes round the end
		var popped []weak.Pointer[int]
		for range 4 {
			v := &new([4]int)[0] // a lone int shares its memory with others
			popped = append(popped, weak.Make(v))
			c.want("TryPush", r.TryPush(v), true)
		}
		pop(r)

		runtime.GC()
		for i, p := range popped {
			c.want(fmt.Sprintf("after %s, value %d is still held", name, i), p.Value() != nil, false)
		}
		runtime.KeepAlive(r)
	}
}

func nothingAllocated(c corners) {
	r, v, vs := c.newAt(4, 0), new(int), make([]*int, 6)
	c.want("allocations", testing.AllocsPerRun(100, func() {
		r.TryPush(v)
		r.TryPop()
		r.TryPushN(vs)
		r.TryPush(v)
		r.TryPopN(vs)
		r.TryPop()
	}), 0)
}
