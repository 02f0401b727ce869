package e1000e_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

var (
	chaosSeed = flag.Uint64("seed", 1, "of the first of the random faults' sequences")
	chaosFor  = flag.Duration("duration", 0, "of each of the random faults' sequences; 0 means a few seconds")
	chaosRuns = flag.Int("seeds", 2, "how many sequences of random faults, at once")
	chaosLog  = flag.Bool("log", false, "each random fault")

	chaosWithin = flag.Duration("within", 0, "a time in which traffic has to be back after each random fault; 0 only reports")
)

// promised is when traffic is back after a fault, on a machine that lets the port's
// goroutines run.
const promised = time.Second

// hiccup is how long a sleep of a millisecond takes at most, and not to count as time
// in which the process was stopped.
const hiccup = 500 * time.Millisecond

// TestChaos breaks cards at random under traffic, from several seeds at once.
// After each fault traffic has to flow again, and at the end every buffer has to
// be at home. How soon it flows is reported: it is the machine's affair as much as
// the port's, so it fails the test only if -within says so.
func TestChaos(t *testing.T) {
	long := *chaosFor
	if long == 0 {
		if long = 3 * time.Second; testing.Short() {
			long = time.Second
		}
	}
	for i := range *chaosRuns {
		t.Run(fmt.Sprintf("seed=%d", *chaosSeed+uint64(i)), func(t *testing.T) {
			t.Parallel()
			chaos(t, *chaosSeed+uint64(i), long)
		})
	}
}

func chaos(t *testing.T, seed uint64, long time.Duration) {
	r, card := memoryRig(t)
	var sent, received atomic.Uint64
	card.Attach(func([]byte) { sent.Add(1) })
	d, frames := r.twoQueues(t, func(c *e1000e.Config) { c.MaxFrame = 9000; c.Pause = nicring.PauseObey | nicring.PauseSend })
	stop := make(chan struct{})
	var all sync.WaitGroup
	var world, sleeper pulse
	all.Go(func() {
		world.beat(stop, 200*time.Microsecond, func(i int) { r.deliver(frames[i%2][0], r.frame(i, 60+i%8000)) })
	})
	all.Go(func() { sleeper.beat(stop, time.Millisecond, func(int) {}) })
	all.Go(func() { // the program: it receives by interrupt, and sends back
		pollers := [2]*nicring.Poller{}
		for i := range pollers {
			pollers[i] = nicring.NewPoller(d.port.RxQueue(i), nicring.PollerConfig{Busy: 20 * time.Microsecond})
			defer pollers[i].Close()
		}
		bufs := make([]*pktbuf.Buf, 16)
		for {
			moved := 0
			for _, p := range pollers {
				n, err := p.TryRecv(bufs)
				if err != nil {
					t.Errorf("receive: %v", err)
					return
				}
				received.Add(uint64(n))
				d.cache.PutN(bufs[d.tx.Send(bufs[:n]):n])
				moved += n
			}
			if moved > 0 {
				continue
			}
			select {
			case <-stop:
				return
			case <-pollers[0].Ready():
			case <-pollers[1].Ready():
			}
		}
	})
	random := rand.New(rand.NewPCG(seed, 1))
	disorder := nictest.NewChaos(card, seed)
	counts := map[string]int{}
	var took []time.Duration
	for begin := time.Now(); time.Since(begin) < long; {
		name, end := disorder.Next()
		counts[name]++
		if *chaosLog {
			t.Logf("%v: %s", time.Since(begin).Round(time.Millisecond), name)
		}
		lasted := time.Duration(random.IntN(600)) * time.Millisecond
		time.Sleep(lasted)
		before := d.helped()
		world.worst.Store(0)
		sleeper.worst.Store(0)
		end()
		ended := time.Now()
		s, g := sent.Load(), received.Load()
		var firstOut, firstIn, stopped time.Duration
		for last := ended; ; {
			out, in := sent.Load()-s, received.Load()-g
			if out > 0 && firstOut == 0 {
				firstOut = time.Since(ended)
			}
			if in > 0 && firstIn == 0 {
				firstIn = time.Since(ended)
			}
			if out >= 10 && in >= 10 {
				break
			}
			if time.Since(ended)-stopped > patience {
				t.Errorf("after %q: %d frames received and %d sent in %v", name, in, out, patience)
				break
			}
			time.Sleep(time.Millisecond)
			if gap := time.Since(last); gap > hiccup {
				stopped += gap
			}
			last = time.Now()
		}
		back := time.Since(ended) - stopped
		took = append(took, back)
		if back > promised {
			t.Logf("at %v: back %v after %q of %v, stops of %v not counted: the first frame received after %v and sent after %v; until then the card was helped by %v; the world stood still for %v, and one who only sleeps for %v",
				ms(ended.Sub(begin)), ms(back), name, lasted, ms(stopped), ms(firstIn), ms(firstOut), d.helped().since(before), world.longest(), sleeper.longest())
		}
		if *chaosWithin > 0 && back > *chaosWithin {
			t.Errorf("back after %v, want %v", ms(back), *chaosWithin)
		}
	}
	close(stop)
	all.Wait()
	slices.Sort(took)
	slow := len(took) - sort.Search(len(took), func(i int) bool { return took[i] > promised })
	t.Logf("%d received, %d sent, %d resets; back after %v in the middle and %v at the latest, %d of %d times after more than %v; %v",
		received.Load(), sent.Load(), d.stat("resets"), ms(took[len(took)/2]), ms(took[len(took)-1]), slow, len(took), promised, counts)
	d.close()
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// A pulse beats, and notes the longest time between two beats: what the machine has
// to do with it when a card is back late.
type pulse struct{ worst atomic.Int64 }

func (p *pulse) beat(stop <-chan struct{}, every time.Duration, do func(i int)) {
	last := time.Now()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(every):
		}
		do(i)
		p.worst.Store(max(p.worst.Load(), int64(time.Since(last))))
		last = time.Now()
	}
}

func (p *pulse) longest() time.Duration { return ms(time.Duration(p.worst.Load())) }

// help is how often a port has helped its card.
type help struct{ resets, hangs, doorbells, interrupts uint64 }

func (d *desk) helped() help {
	return help{
		d.stat("resets"), d.stat("rx_hangs") + d.stat("tx_hangs"),
		d.stat("rx_queue_0_doorbells_repeated") + d.stat("rx_queue_1_doorbells_repeated") + d.stat("tx_queue_0_doorbells_repeated"),
		d.stat("interrupts_missed"),
	}
}

func (h help) since(b help) string {
	return fmt.Sprintf("%d resets (%d hangs seen), %d doorbells and %d wake-ups", h.resets-b.resets, h.hangs-b.hangs, h.doorbells-b.doorbells, h.interrupts-b.interrupts)
}
