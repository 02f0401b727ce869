package cpu

// Membarrier makes every thread of the process pass a full memory barrier
// before it returns, and reports whether it could. It is the dear side of an
// asymmetric fence, for waits that are rare beside what they wait for. One side
// does
//
//	Publish(&x, 1)
//	if y.Load() ...
//
// all the time, and as long as its store is in its processor's store buffer its
// load may be early. The other does
//
//	y.Store(1)
//	Membarrier()
//	if x.Load() ...
//
// now and then. Of the two loads at least one finds what the other side stored:
// either the first side's store came before the barrier, and the second finds
// it, or its load comes after the barrier, and finds the second's.
//
// Where Publish is a sequentially consistent store there is nothing to be done,
// and Membarrier returns true at once. Where it returns false once it always
// does; whoever would rely on it must then store with p.Store instead, or look
// again after a while: a store buffer drains within microseconds.
//
// It takes a few microseconds, and the first call some milliseconds, since the
// kernel has to be told.
func Membarrier() bool { return membarrier() }
