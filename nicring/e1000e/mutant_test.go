//go:build !race

package e1000e_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

// Each step of the driver that can be wrong alone, wrong. The memory barriers are
// not among them: no card that is made of memory, or runs on amd64, misses one. That
// they are where they have to be is read in the code by mmio's tests.
func TestMutants(t *testing.T) {
	mutant.Test(t, []mutant.Mutant{
		{Name: "sent as soon as handed over", File: "tx.go", Caught: "TestTransmitStuck",
			Old: "		if !q.done(burst) {\n			return\n		}\n", New: ""},
		{Name: "tail before the last descriptor is whole", File: "tx.go", Caught: "TestSentComesHome",
			Old: "		q.ring.Desc(q.tail - 1).cmd |= txRS\n		q.bursts[q.ring.Index(first)] = burst{q.tail - 1, q.packets}\n		mmio.WriteBarrier() // the descriptors before the tail that covers them\n		q.card.Write32(regTDT+q.regs, q.ring.Index(q.tail))\n", New: "		q.card.Write32(regTDT+q.regs, q.ring.Index(q.tail))\n		q.ring.Desc(q.tail - 1).cmd |= txRS\n		q.bursts[q.ring.Index(first)] = burst{q.tail - 1, q.packets}\n		mmio.WriteBarrier()\n"},
		{Name: "tail round to the head", File: "tx.go", Caught: "TestTransmitStuck",
			Old: "room := q.ring.Len() - 1 - int", New: "room := q.ring.Len() - int"},
		{Name: "what a reset took is kept", File: "tx.go", Caught: "TestResetGivesBack",
			Old: "	if q.freed != q.packets { // those that a reset took from the card\n		q.release(q.packets)\n	}\n", New: ""},
		{Name: "too long and sent", File: "tx.go", Caught: "TestMemoryCard/RuntsAndOversize",
			Old: "(n < frameMin || n > q.cfg.MaxFrame) &&", New: "n < frameMin &&"},
		{Name: "padded with what was there", File: "tx.go", Caught: "TestMemoryCard/RuntsAndOversize",
			Old: "		clear(zeros)\n", New: ""},

		{Name: "length believed", File: "rx.go", Caught: "TestHostileDescriptors/longest",
			Old: "rxEOP && length-1 < bufferSize", New: "rxEOP && length < 1<<16"},
		{Name: "errors overlooked", File: "rx.go", Caught: "TestHostileDescriptors/CRC_error",
			Old: "	return done&(rxEOP|rxErrors) == rxEOP &&", New: "	return done&rxEOP != 0 &&"},
		{Name: "done read as plain memory", File: "rx.go", Caught: "TestNoWakeUpIsLost", Race: true,
			Old: "	for n < limit && atomic.LoadUint64(&q.ring.Desc(q.next+uint32(n)).done)&rxDD != 0 {", New: "	for n < limit && q.ring.Desc(q.next+uint32(n)).done&rxDD != 0 {"},
		{Name: "the descriptor that is nobody's", File: "rx.go", Caught: "TestEveryDescriptorDone",
			Old: "q.ring.Len()-1)\n", New: "q.ring.Len())\n"},
		{Name: "descriptor not cleared", File: "rx.go", Caught: "TestMemoryCard/RingWrap",
			Old: "	d.done = 0\n", New: ""},
		{Name: "doorbell before the descriptors", File: "rx.go", Caught: "TestMemoryCard/Bursts",
			Old: "	n, next := 0, 0\n", New: "	n, next := 0, 0\n	q.next += uint32(fresh)\n	q.doorbell()\n	q.next -= uint32(fresh)\n"},
		{Name: "frame handed out and nothing in its place", File: "rx.go", Caught: "TestMemoryCard/PoolExhausted",
			Old: "	for range fresh {\n", New: "	for range ready {\n"},
		{Name: "longer than the longest", File: "rx.go", Caught: "TestTailOfARefusedFrame",
			Old: " || f.length > q.maxFrame", New: ""},
		{Name: "tail of a refused frame taken for a frame", File: "rx.go", Caught: "TestTailOfARefusedFrame",
			Old: "q.frame.length == 0 && whole(done)", New: "q.frame.head == nil && whole(done)"},
		{Name: "buffers of a refused frame kept", File: "rx.go", Caught: "TestResetInAFrame",
			Old: "		q.cache.PutN([]*pktbuf.Buf{q.frame.head})\n	}\n}\n\n// describe", New: "	}\n}\n\n// describe"},

		{Name: "goes on with half a frame after a reset", File: "watch.go", Caught: "TestResetInAFrame",
			Old: "	q.frame.cut = q.frame.length > 0\n", New: "	q.frame.cut = false\n"},
		{Name: "what a reset took is not counted", File: "watch.go", Caught: "TestMemoryCard/Reset",
			Old: "	q.dropped.Add(frames)\n", New: ""},
		{Name: "a pause taken for a hang", File: "watch.go", Caught: "TestNoFalseAlarm",
			Old: " && status&(statusLU|statusTXOFF) == statusLU", New: " && status != 0"},
		{Name: "a hang not seen", File: "watch.go", Caught: "TestCardMended/transmission_hangs",
			Old: "	return w.stuck >= patience\n", New: "	return w.stuck < 0\n"},
		{Name: "a lost doorbell not repeated", File: "watch.go", Caught: "TestLostDoorbell",
			Old: "	if w.idle && tail != q.ring.Index(next-1) {", New: "	if w.idle && tail == gone {"},
		{Name: "queues used while the card is down", File: "watch.go", Caught: "TestResetHangs",
			Old: "		for _, t := range p.turns() {\n			t.seize(turnDown)\n		}\n", New: ""},
		{Name: "a failed reset not tried again", File: "watch.go", Caught: "TestResetHangs",
			Old: "	case p.down:\n		p.restart()\n		return !p.down\n", New: "	case p.down:\n		return true\n"},
		{Name: "nobody told that the card has gone", File: "watch.go", Caught: "TestRemovedWithoutNotice",
			Old: "		p.line.removed()\n", New: ""},

		{Name: "queue polled whosever turn it is", File: "turn.go", Caught: "TestResetHangs",
			Old: "	return t.state.CompareAndSwap(turnFree, turnPolled) || t.retake() // A: acquire\n", New: "	t.state.Store(turnPolled)\n	return true\n"},

		{Name: "no look after the mask is opened", File: "irq.go", Caught: "TestFrameAsTheMaskOpens",
			Old: "		l.unmask(w.causes)\n		if w.ready() {\n			l.mask()\n			return true, nil\n		}\n", New: "		l.unmask(w.causes)\n"},
		{Name: "mask shut after a reset", File: "irq.go", Caught: "TestMemoryCard/ResetWhileWaiting",
			Old: "	for _, w := range l.waiters {\n		l.unmask(w.causes)\n	}\n", New: ""},
		{Name: "mask taken for open after a reset", File: "irq.go", Caught: "TestMemoryCard/ResetWhileWaiting",
			Old: "	l.enabled = 0\n", New: ""},
		{Name: "no look after a reset", File: "irq.go", Caught: "TestFrameAsTheMaskOpens",
			Old: "		l.unmask(w.causes)\n	}\n	l.wake()\n", New: "		l.unmask(w.causes)\n	}\n"},
		{Name: "mask left open", File: "irq.go", Caught: "TestInterruptsTaken",
			Old: "		return ready\n	})\n	l.mask()\n", New: "		return ready\n	})\n"},
		{Name: "interrupt not taken back", File: "irq.go", Caught: "TestInterruptIsTakenBack",
			Old: "	if l.card.Read32(regICR) == gone {", New: "	if l.card.Read32(regSTATUS) == gone {"},
		{Name: "an old interrupt taken for a new one", File: "irq.go", Caught: "TestInterruptsTaken",
			Old: "	l.card.Write32(regICR, causes)\n", New: ""},
		{Name: "who gave up stays listed", File: "irq.go", Caught: "TestInterruptsTaken",
			Old: "		l.remove(w)\n		l.mask()\n", New: "		l.mask()\n"},
		{Name: "mask left open by who gave up", File: "irq.go", Caught: "TestMemoryCard/Notify",
			Old: "		l.remove(w)\n		l.mask()\n", New: "		l.remove(w)\n"},
		{Name: "nothing said of frames that are there", File: "irq.go", Caught: "TestMemoryCard/Notify",
			Old: "enter(&q.waiter); done {\n", New: "enter(&q.waiter); done && err != nil {\n"},
		{Name: "a wake-up left for the next wait", File: "irq.go", Caught: "TestMemoryCard/Notify",
			Old: "	select {\n	case <-w.woken:\n	default: // somebody has looked\n	}\n", New: ""},
		{Name: "registers used while the card is down", File: "irq.go", Caught: "TestResetHangs",
			Old: "	if !l.down {\n		if w.ready()", New: "	if l.ctx != nil {\n		if w.ready()"},

		{Name: "memory freed that the card can reach", File: "device.go", Caught: "TestCloseKeepsWhatTheCardCanReach",
			Old: "	if err := p.card.SetBusMaster(false); err != nil && !errors.Is(err, nicring.ErrRemoved) {\n		return err\n	}\n", New: "	p.card.SetBusMaster(false)\n"},
		{Name: "a card that has gone cannot be closed", File: "device.go", Caught: "TestRemoved",
			Old: "err != nil && !errors.Is(err, nicring.ErrRemoved) {", New: "err != nil {"},
		{Name: "an address that cannot be trusted", File: "device.go", Caught: "TestOpenFails/NVM_is_bad",
			Old: "	if sum != nvmSum {", New: "	if sum == 0 {"},
		{Name: "NVM read before the card has", File: "device.go", Caught: "TestOpenFails/NVM_hangs",
			Old: "	if !p.until(regEECD, eecdAutoRD, eecdAutoRD) {", New: "	if p.gone() {"},

		{Name: "no count of what went while it was read", File: "stats.go", Caught: "TestRemovedWhileCounted",
			Old: "	if (low == gone || high == gone) && p.gone() {", New: "	if low == gone && high == gone && p.gone() {"},
	})
}
