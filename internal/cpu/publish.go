package cpu

import "sync/atomic"

// Publish stores v in p and makes everything this goroutine stored before
// visible to whoever reads v from p with an atomic load: a release store. It
// is the cheap half of a pair whose other half is p.Load (acquire).
//
// It is not sequentially consistent: a load that follows it may take its value
// before the store is visible (store buffering). Where that matters, as between
// announcing oneself and looking at what others announced, use p.Store.
//
// Only one goroutine may write p at a time, and none may use p.Add, p.Swap or
// p.CompareAndSwap while another publishes.
func Publish(p *atomic.Uint64, v uint64) { publish(p, v) }
