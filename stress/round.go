package stress

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A round is one go at a trial. The trial sets up what it tortures, starts the
// goroutines that take part, joins them, and looks at what they left.
type round struct {
	ctx      context.Context
	rand     *rand.Rand // of the goroutine that sets up
	work     uint64
	long     time.Duration // after which it is over though there is work left
	patience time.Duration
	weather  weather

	// over is stored once, when enough was done. It and broken are all
	// of a round that is shared by those who take part: what they would order by it, the race
	// detector could not see to be unordered.
	over   atomic.Bool
	broken atomic.Bool // a violation was found

	parts   []*part
	running sync.WaitGroup // since the last join

	mu         sync.Mutex // taken only by who has found a violation
	violations uint64
	messages   []string
}

// inVain is how long goroutines may stand still when something is lost that they may
// wait for.
const inVain = time.Second

// aLook is the most of the time between two looks that counts as standing still.
const aLook = 500 * time.Millisecond

// A part is one goroutine of a round.
type part struct {
	_     cpu.Pad
	round *round
	role  string
	rand  *rand.Rand
	done  atomic.Uint64 // operations; the watch reads it

	// Read when the goroutine has ended.
	wait, grace time.Duration
	_           cpu.Pad
}

// do runs a round to its end, and reports whether it came to one.
func (r *round) do(trial func(*round)) (ended bool) {
	r.weather = newWeather(r.rand)
	clear := r.weather.begin()
	defer clear()
	defer func() {
		switch v := recover(); v {
		case nil:
			ended = true
		case hung:
		default:
			r.violated("panic: %v\n%s", v, debug.Stack())
			ended = true
		}
	}()
	trial(r)
	return true
}

// hung is what join panics with when the goroutines stand still.
var hung = new(int)

// run starts a goroutine that takes part. Those of a role do the same, so that one
// is fair to compare with the other.
func (r *round) run(role string, f func(p *part)) {
	p := &part{round: r, role: role, rand: rand.New(rand.NewPCG(r.rand.Uint64(), r.rand.Uint64()))}
	r.parts = append(r.parts, p)
	r.running.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				p.fail("panic: %v\n%s", v, debug.Stack())
			}
		}()
		f(p)
	})
}

// join waits until all that were started have ended, which they do when the round is
// over; it sees to that.
func (r *round) join() {
	ended := make(chan struct{})
	go func() {
		r.running.Wait()
		close(ended)
	}()
	var (
		look   = time.NewTicker(time.Millisecond)
		began  = time.Now()
		last   = began
		before = ^uint64(0)
		still  time.Duration // since an operation was done
	)
	defer look.Stop()
	for {
		select {
		case <-ended:
			return
		case <-look.C:
		}
		// Where the whole program was stopped, nobody could do anything.
		still += min(time.Since(last), aLook)
		last = time.Now()
		now := r.operations()
		if now != before {
			still, before = 0, now
		} else if r.lost() && still > inVain {
			panic(hung) // they wait for what is lost
		} else if still > r.patience {
			r.violated("everybody stands still after %d operations\n%s", now, stacks())
			panic(hung)
		}
		if !r.over.Load() && (now >= r.work || time.Since(began) > r.long || r.ctx.Err() != nil) {
			r.over.Store(true)
		}
	}
}

func (r *round) operations() (sum uint64) {
	for _, p := range r.parts {
		sum += p.done.Load()
	}
	return sum
}

// stacks returns where goroutines are, as much as is worth reading.
func stacks() []byte {
	buf := make([]byte, 4<<10)
	return buf[:runtime.Stack(buf, true)]
}

// violated notes a violation, and ends the round.
func (r *round) violated(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations++
	if len(r.messages) < fewMessages {
		r.messages = append(r.messages, fmt.Sprintf(format, args...))
	}
	r.broken.Store(true)
	r.over.Store(true)
}

// want notes a violation unless the condition holds.
func (r *round) want(holds bool, format string, args ...any) {
	if !holds {
		r.violated(format, args...)
	}
}

// some draws a number of goroutines: few, or a crowd of up to 64 a processor.
func (r *round) some() int {
	most := 64 * runtime.NumCPU()
	return []int{2, 2, 3, 4, 8, most / 4, most}[r.rand.IntN(7)]
}

// capacity draws that of a ring, small more often than not.
func (r *round) capacity() int { return 1 << r.rand.IntN(8) }

// lost reports whether a violation was found, after which it is in vain to wait for
// what is missing.
func (r *round) lost() bool { return r.broken.Load() }

func (p *part) on() bool { return !p.round.over.Load() }

// did counts operations that came to something. Whoever has done its first lets the
// others come to theirs, or it may have done the work of all before they run.
func (p *part) did(n int) {
	before := p.done.Load()
	p.done.Store(before + uint64(n))
	if before == 0 {
		runtime.Gosched()
	}
}

func (p *part) fail(format string, args ...any) {
	p.round.violated(p.role+": "+format, args...)
}

func (p *part) want(holds bool, format string, args ...any) {
	if !holds {
		p.fail(format, args...)
	}
}

// one is true once in n times.
func (p *part) one(n int) bool { return p.rand.IntN(n) == 0 }

// timed does what may wait, and times it now and then.
func (p *part) timed(f func()) {
	if !p.one(8) {
		f()
		return
	}
	began := time.Now()
	f()
	p.wait = max(p.wait, time.Since(began))
}

// timedGrace does what waits for a grace period, and times it.
func (p *part) timedGrace(f func()) {
	began := time.Now()
	f()
	p.grace = max(p.grace, time.Since(began))
}

// pause stalls the goroutine as the weather has it, mostly not.
func (p *part) pause() { p.round.weather.stall(p.rand) }

// impatient returns a context that is done, or will be soon, or never.
func (p *part) impatient() (context.Context, context.CancelFunc) {
	switch p.rand.IntN(4) {
	case 0:
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx, cancel
	case 1:
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		return ctx, cancel
	case 2:
		return context.WithTimeout(context.Background(), time.Duration(p.rand.IntN(200))*time.Microsecond)
	default:
		return context.WithCancel(context.Background())
	}
}

// addTo adds what the round came to. Of goroutines that hang only the atomic word is
// read.
func (r *round) addTo(t *Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Rounds++
	t.Violations += r.violations
	t.Messages = append(t.Messages, r.messages[:min(len(r.messages), fewMessages-len(t.Messages))]...)
	t.Operations += r.operations()
	shares := make(map[string][]float64)
	for _, p := range r.parts {
		shares[p.role] = append(shares[p.role], float64(p.done.Load()))
	}
	for _, s := range shares {
		if j, ok := jain(s); ok {
			t.shared++
			t.Fairness += (j - t.Fairness) / float64(t.shared)
		}
	}
	if r.violations > 0 {
		return // somebody may still run
	}
	for _, p := range r.parts {
		t.WorstWait = max(t.WorstWait, p.wait)
		t.WorstGracePeriod = max(t.WorstGracePeriod, p.grace)
	}
}

// jain returns how evenly a sum is shared: (Σx)²/(nΣx²), by R. Jain, D. Chiu and W. Hawe,
// A Quantitative Measure of Fairness and Discrimination, DEC-TR-301, 1984. There is
// nothing to share between fewer than two, or where there is nothing.
func jain(shares []float64) (index float64, ok bool) {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	if len(shares) < 2 || sum == 0 {
		return 0, false
	}
	return sum * sum / (float64(len(shares)) * squares), true
}
