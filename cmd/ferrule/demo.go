package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A demo is a world for the forwarder where there is no card: two cards made of
// memory, and at each a source of frames for the other. Every frame is numbered
// and looked at where it comes out.
type demo struct {
	cards   [2]*nictest.Card
	streams [2]*stream // streams[i] goes in at card i and comes out at card 1-i
	feeding atomic.Bool
	motor   motor
}

// demoCard makes card 0 or 1 of a demo.
func demoCard(mem *nictest.Memory, i int) *nictest.Card {
	return nictest.New(mem, nictest.Options{
		Name:     [2]string{"demoA", "demoB"}[i],
		MAC:      demoMAC(i),
		Lax:      true,
		Deferred: true,
	})
}

// newDemo makes streams of frames of size bytes between two deferred cards. A
// stream has no more frames on their way than half a ring holds, so that none
// need be lost.
func newDemo(cards [2]*nictest.Card, size, ring int) *demo {
	d := &demo{cards: cards}
	for i := range cards {
		d.streams[i] = newStream(demoMAC(2+i), demoMAC(3-i), size, ring/2)
	}
	for i, c := range cards {
		c.Attach(d.streams[1-i].check)
	}
	return d
}

// demoMAC returns the address of card 0 or 1, or of the station behind it, 2 or
// 3. They are of the kind that anyone may make up.
func demoMAC(i int) nicring.MAC { return nicring.MAC{0: 0x02, 5: byte(i + 1)} }

// start has the cards work. Traffic begins when the links are up.
func (d *demo) start() {
	d.feeding.Store(true)
	d.motor.start(d.turn)
}

// turn does some of the cards' work and of that of the stations behind them.
func (d *demo) turn() (moved int) {
	for i, c := range d.cards {
		if d.feeding.Load() {
			moved += d.streams[i].feed(c)
		}
		moved += c.Step()
	}
	return moved
}

// quiesce ends the traffic and waits for what is on its way, as long as
// something arrives.
func (d *demo) quiesce() {
	const patience = 200 * time.Millisecond
	d.feeding.Store(false)
	last, seen := time.Now(), d.arrived()
	for wait := (spinlock.Backoff{}); d.onTheWay() && time.Since(last) < patience; wait.Wait() {
		if n := d.arrived(); n != seen {
			last, seen = time.Now(), n
		}
	}
}

func (d *demo) onTheWay() bool {
	return slices.ContainsFunc(d.streams[:], func(s *stream) bool { return s.sent.load() != s.received.load() })
}

func (d *demo) arrived() uint64 { return d.streams[0].received.load() + d.streams[1].received.load() }

// end stops the cards and sums up the traffic.
func (d *demo) end() trafficReport {
	d.motor.stop()
	var r trafficReport
	for _, s := range d.streams {
		r.add(s.report())
	}
	return r
}

// demoFlows is how many flows a stream has: enough for each queue to get its
// share.
const demoFlows = 64

// A stream is frames from one station to another, told apart by their number.
// It belongs to one goroutine, but for the counters.
type stream struct {
	probes  *probes
	frame   []byte // the one that is sent next
	window  uint64 // frames on their way at most
	batch   int    // frames that fit in the card's packet buffer together
	sent    counter
	damaged uint64
	*tracker
}

func newStream(from, to nicring.MAC, size, window int) *stream {
	s := &stream{
		probes: newProbes(benchmarkRoute(from, to), demoFlows, []int{size}, uint16(from[5])),
		frame:  make([]byte, size),
		window: uint64(window),
		batch:  min(32, 16<<10/(size+4)),
	}
	s.tracker = newTracker(demoFlows, &s.sent)
	return s
}

// localExperimental is the EtherType for protocols that stay at home (IEEE 802,
// 9.2.3).
const localExperimental = 0x88B5

// ethernet puts an Ethernet header in front of a frame.
func ethernet(frame []byte, from, to nicring.MAC) []byte {
	copy(frame, to[:])
	copy(frame[6:], from[:])
	binary.BigEndian.PutUint16(frame[12:], localExperimental)
	return frame
}

// feed has frames arrive at a card, as many as the window allows, and returns
// how many.
func (s *stream) feed(card *nictest.Card) int {
	sent := s.sent.load()
	n := min(s.batch, int(s.window-(sent-s.settled.load())))
	for i := range n {
		s.probes.write(s.frame, sent+uint64(i))
		s.sent.add(1) // before it can come out
		card.Deliver(s.frame)
	}
	return n
}

// check looks at a frame that has come out.
func (s *stream) check(frame []byte) {
	number, _, _ := s.probes.read(frame)
	if !s.probes.untouched(frame) || !s.note(number) {
		s.damaged++
	}
}

// A trafficReport is what became of the frames of the built-in source.
type trafficReport struct {
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"` // distinct and undamaged
	Lost       uint64 `json:"lost"`     // the rest of sent
	Duplicated uint64 `json:"duplicated"`
	Reordered  uint64 `json:"reordered"` // received after one sent later
	Damaged    uint64 `json:"damaged"`
}

func (s *stream) report() trafficReport { return s.tracker.report(s.damaged) }

func (r *trafficReport) add(s trafficReport) {
	r.Sent += s.Sent
	r.Received += s.Received
	r.Lost += s.Lost
	r.Duplicated += s.Duplicated
	r.Reordered += s.Reordered
	r.Damaged += s.Damaged
}

// String gives the report as a sentence.
func (r *trafficReport) String() string {
	return fmt.Sprintf("%s frames sent through, each looked at: %s lost, %s duplicated, %s reordered, %s damaged",
		grouped(r.Sent), grouped(r.Lost), grouped(r.Duplicated), grouped(r.Reordered), grouped(r.Damaged))
}

// check returns an error unless the frames lost are those that the forwarder
// and the cards have counted as such, and all others came through in order.
func (r *trafficReport) check(counted uint64) error {
	if r.Lost == counted && r.Duplicated == 0 && r.Reordered == 0 && r.Damaged == 0 {
		return nil
	}
	return fmt.Errorf("forward: %d frames dropped or missed, but of the frames sent through %d were lost, %d duplicated, %d reordered, %d damaged",
		counted, r.Lost, r.Duplicated, r.Reordered, r.Damaged)
}
