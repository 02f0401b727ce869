package spsc

import "github.com/ferrule-go/ferrule/internal/cpu"

// A view is what one side knows of the other side's counter.
type view struct {
	seen  uint64 // the counter when last read; never ahead of it
	slip  uint32 // processor pauses before the next look
	small uint32 // looks that gained one since the last trial
	trial uint32 // how many of them there are between two trials
	hope  uint32 // how often a look that would gain nothing looks again
	empty uint32 // looks that gained nothing since the last that did
	soon  uint32 // times in a row that they were few
	doubt uint32 // how many of those do not give hope
}

// How a side keeps its pace.
const (
	// A look that gains so many items costs little for each. In a small ring a
	// quarter of it has to do, so that the other side does not come to a stop
	// meanwhile.
	enoughGain = 64

	// 16 pauses take 0.2 to 1 µs, depending on the processor: as long as several
	// transfers of a line. Meanwhile the other side must not come to a stop, so a ring
	// has one pause for every 64 slots at most, and a small one none.
	maxSlip       = 16
	trialSlip     = 8
	slotsForPause = 64

	// Trials that fail become rarer, up to this.
	maxTrial = 1024

	// A side that finds something within few looks after it found nothing will do so
	// again: what it waits for is on its way. Then looking at every pause tells it
	// sooner than its caller's wait, which grows. Not so if the other side has to wait
	// for this processor: in vain, it takes ever more of such finds to hope again. In a
	// small ring it is better to let more come, unless that is so few slots that each
	// side has to wait for the other anyway.
	fewSlots = 8
	fewLooks = 6
	maxHope  = 16
	maxDoubt = 1023
)

// look reads the counter again and returns by how much it has moved. Its load
// acquires what the other side's publishing store released.
func (v *view) look(at *counter, capacity int) (gain uint64) {
	if v.slip > 0 {
		cpu.Pause(v.slip)
	}
	now := at.Load() // A, B: acquire
	if now == v.seen && v.hope > 0 {
		now = v.lookAgain(at)
	}
	gain = now - v.seen
	v.seen = now
	if gain == 0 {
		v.slip = 0
		v.empty = min(v.empty+1, fewLooks+1)
		return 0
	}
	v.learn(gain, capacity)
	return gain
}

// lookAgain reads the counter until it has moved, as often as there is hope.
func (v *view) lookAgain(at *counter) (now uint64) {
	for range v.hope {
		cpu.Pause(1)
		if now = at.Load(); now != v.seen { // A, B: acquire
			v.doubt /= 2
			return now
		}
	}
	v.hope, v.soon, v.doubt = 0, 0, min(2*v.doubt+1, maxDoubt)
	return now
}

// learn chooses how to look the next time, after a look that gained something.
// Each pause is a wager that the look will gain more for it: it pays if the other
// side makes an item in every fourth pause at least. Where looks gain one item at
// a time nobody can tell whether the other side waits for this one or both run in
// step, so it is tried now and then.
func (v *view) learn(gain uint64, capacity int) {
	enough, slip := min(enoughGain, uint64(capacity)/4), min(maxSlip, uint32(capacity)/slotsForPause)
	if v.empty > fewLooks {
		v.soon = 0
	} else if v.empty > 0 {
		if v.soon++; v.soon > v.doubt && (slip > 0 || capacity <= fewSlots) {
			v.hope = maxHope
		}
	}
	v.empty = 0
	switch {
	case gain >= enough:
	case gain > 1 && gain > uint64(v.slip)/4:
		v.slip = min(2*v.slip+1, slip)
		v.small, v.trial = 0, 0
	case v.small < v.trial:
		v.small++
		v.slip /= 2
	default:
		v.slip = min(trialSlip, slip)
		v.small, v.trial = 0, min(2*v.trial+trialSlip, maxTrial)
	}
}
