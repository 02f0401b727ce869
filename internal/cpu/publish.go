package cpu

import "sync/atomic"

// Publish stores v in p as a release: the loads and stores this goroutine made
// before it happen before whatever a goroutine does after an atomic operation on
// p gave it v.
//
// It is not sequentially consistent: a load that follows it may take its value
// before the store is visible (store buffering). Where that matters, as between
// announcing oneself and looking at what others announced, use p.Store.
func Publish(p *atomic.Uint64, v uint64) { publish(p, v) }
