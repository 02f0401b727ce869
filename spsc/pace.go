package spsc

import "github.com/ferrule-go/ferrule/internal/cpu"

// A view is what one side knows of the other side's counter.
type view struct {
	seen uint64 // the counter when last read; never ahead of it
	gain uint64 // by how much the last look moved seen
	slip uint32 // processor pauses before the next look
}

// How a side keeps its pace.
const (
	// A look that gains as many items as two lines hold words costs little for
	// each. In a small ring an eighth of it has to do, so that the other side
	// does not come to a stop meanwhile.
	enoughGain = 16

	// 16 pauses take 0.2 to 1 µs, depending on the processor: as long as several
	// transfers of a line.
	maxSlip = 16
)

// look reads the counter again and reports whether it has moved. Its load
// acquires what the other side's publishing store released.
//
// Each pause is a wager that the next look will gain more for it. It is raised
// while the looks gain more and more, halved when one does not, and held once
// they gain enough. Where nothing can be gained, since the other side waits for
// this one or does something else meanwhile, it stays at nothing.
func (v *view) look(at *counter, capacity int) (moved bool) {
	cpu.Pause(v.slip)
	before := v.gain
	now := at.Load() // A, B: acquire
	v.gain, v.seen = now-v.seen, now
	switch {
	case v.gain >= min(enoughGain, uint64(capacity)/8):
	case v.gain > before:
		v.slip = min(2*v.slip+1, maxSlip)
	default:
		v.slip /= 2
	}
	return v.gain > 0
}
