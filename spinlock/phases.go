package spinlock

import "sync/atomic"

// phases is what the locks with readers have in common: whose turn it is. Where
// readers that are inside are counted is up to the lock; their sum is all that
// counts here, and it may be spread over many words, some of them negative.
//
// A phase is a number: even, readers may enter; odd, a writer is inside or waits
// for those who are to leave. Readers that come in an even phase count themselves
// in a word of the lock's, cheaply. Readers that come in an odd one register in
// state, wait for the phase to end, and are inside, whatever comes next: so they
// wait for one writer at most. Each change of phase takes those registered out of
// state and counts them in moved, so the next writer waits for them.
//
// Four edges order one section before the next:
//
//	A  state, to readers. A writer that leaves swaps in an even phase, and with
//	   that hands over what it wrote; a reader that finds an even phase, or
//	   another than it registered in, may enter.
//	B  the counts, to the writer. A reader that leaves takes itself off a count,
//	   and with that has done reading; the writer enters when it has found that
//	   the counts sum to zero.
//	C  turn, from writer to writer: the lock of a Ticket. Its holder alone changes
//	   phase, adds to moved and sums.
//	D  state against the counts. A reader counts itself and then looks at the
//	   phase; a writer changes the phase and then looks at the counts. All four
//	   are sequentially consistent, so the reader finds the phase odd or the
//	   writer finds it counted: never neither.
//
// Why a sum read word by word is enough: while the phase is odd nobody enters.
// Those registered are counted in no word. A reader that counts itself late finds
// the phase odd and takes itself off the same word, which the writer sees neither
// of, the first of or both of, never as less than nothing. Everybody else who is
// counted was so before the phase began, and can only leave. So the sum holds all
// that came and at most those that left: it is never smaller than the number
// inside when it ends, and zero means that nobody is.
type phases struct {
	turn  Ticket        // C: the writers, in order
	state atomic.Uint64 // A, D: the phase, and the readers registered in it
	moved int64         // those registered in phases past; C
}

// state holds the phase in its upper half. It wraps after 2³² changes, which
// nobody can tell: phases are compared for being the same and for being odd.
const (
	reader    = 1
	nextPhase = 1 << 32
)

// readable reports whether readers may enter without waiting.
func (p *phases) readable() bool { return p.state.Load()&nextPhase == 0 } // A: acquire; D

// register counts a reader in the present phase and reports whether it is
// inside. If not, it is when the phase has changed.
func (p *phases) register() (phase uint64, inside bool) {
	phase = p.state.Add(reader) / nextPhase // A: acquire; D
	return phase, phase%2 == 0
}

// passed reports whether a phase is over.
func (p *phases) passed(phase uint64) bool { return p.state.Load()/nextPhase != phase } // A: acquire

// withdraw takes back a registration, unless the phase has changed and the reader
// is inside.
func (p *phases) withdraw(phase uint64) bool {
	for s := p.state.Load(); s/nextPhase == phase; s = p.state.Load() {
		if p.state.CompareAndSwap(s, s-reader) {
			return true
		}
	}
	return false
}

// read registers a reader and waits until it may enter, or done: then it reports
// false, and the reader is not registered.
func (p *phases) read(done <-chan struct{}) bool {
	phase, inside := p.register()
	for b := (Backoff{}); !inside && !p.passed(phase); b.poll() {
		if ended(done) && p.withdraw(phase) {
			return false
		}
	}
	return true
}

// change ends a phase. The caller holds turn.
func (p *phases) change() {
	phase := p.state.Load() / nextPhase                         // nobody else changes it
	registered := p.state.Swap((phase+1)*nextPhase) % nextPhase // A: release; D
	p.moved += int64(registered)
}

// write ends the readers' phase and waits until nobody is inside, or done: then it
// reports false, and the readers' phase begins anew. The caller holds turn, and
// keeps it if the result is true.
func (p *phases) write(inside func() int64, done <-chan struct{}) bool {
	p.change()
	for b := (Backoff{}); inside() != 0; b.poll() {
		if ended(done) {
			p.leave()
			return false
		}
	}
	return true
}

// tryWrite takes turn and ends the readers' phase if nobody is inside, and reports
// whether it did. It looks before it keeps readers out.
func (p *phases) tryWrite(inside func() int64) bool {
	if !p.turn.tryLock() {
		return false
	}
	// The phase is even, and who is registered in it is inside, or has left and
	// is missing from the counts.
	if inside()+int64(p.state.Load()%nextPhase) == 0 {
		p.change()
		if inside() == 0 {
			return true
		}
		p.change()
	}
	p.turn.unlock()
	return false
}

// leave begins a readers' phase and lets the next writer have its turn.
func (p *phases) leave() {
	p.change()
	p.turn.unlock()
}
