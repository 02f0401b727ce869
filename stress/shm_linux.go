package stress

import (
	"bytes"

	"github.com/ferrule-go/ferrule/spsc/shm"
)

var systemTrials = []Trial{
	{"spsc/shm.Ring", "every record comes out once, whole and in order, and then that the ring is closed", shared},
}

// shared has both sides of a ring in one process.
func shared(r *round) {
	ring, err := shm.Create(4096 << r.rand.IntN(3))
	if err != nil {
		r.violated("%v", err)
		return
	}
	defer ring.Close()
	producer, err := ring.Producer()
	r.want(err == nil, "%v", err)
	consumer, err := ring.Consumer()
	r.want(err == nil, "%v", err)
	if r.lost() {
		return
	}
	pushed := make(chan int, 1)
	r.run("produce", func(p *part) {
		n := 0
		defer func() {
			pushed <- n
			p.want(producer.Close() == nil, "the producer cannot close")
		}()
		for record := []byte(nil); p.on(); p.pause() {
			if record == nil {
				record = bytes.Repeat([]byte{byte(n)}, 1+p.rand.IntN(producer.Max()))
			}
			ok, err := false, error(nil)
			if p.one(2) {
				ok, err = producer.TryPush(record)
			} else {
				ctx, cancel := p.impatient()
				p.timed(func() { err = producer.Push(ctx, record) })
				if ok = err == nil; err == ctx.Err() {
					err = nil
				}
				cancel()
			}
			if err != nil {
				p.fail("a push failed with %v", err)
				return
			}
			if ok {
				record = nil
				n++
				p.did(1)
			}
		}
	})
	r.run("consume", func(p *part) {
		buf := make([]byte, producer.Max())
		for n := 0; !r.lost(); p.pause() {
			record, ok, err := []byte(nil), false, error(nil)
			if p.one(2) {
				record, ok, err = consumer.TryPop(buf)
			} else {
				ctx, cancel := p.impatient()
				p.timed(func() { record, err = consumer.Pop(ctx, buf) })
				if ok = err == nil; !ok && err == ctx.Err() {
					err = nil
				}
				cancel()
			}
			if err == shm.ErrClosed {
				all := <-pushed
				p.want(n == all, "%d records went in and %d came out", all, n)
				break
			}
			p.want(err == nil, "a pop failed with %v", err)
			if ok {
				p.want(len(record) > 0 && bytes.Count(record, []byte{byte(n)}) == len(record), "record %d has other bytes than %d", n, byte(n))
				n++
				p.did(1)
			}
		}
		p.want(consumer.Close() == nil, "the consumer cannot close")
	})
	r.join()
}
