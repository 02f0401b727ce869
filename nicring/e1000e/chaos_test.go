package e1000e_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
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
)

// TestChaos breaks cards at random under traffic, from several seeds at once.
// After each fault traffic has to flow again, and at the end every buffer has to
// be at home.
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
	all.Go(func() { // the world
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Microsecond):
			}
			r.deliver(frames[i%2][0], r.frame(i, 60+i%8000))
		}
	})
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
	worst := time.Duration(0)
	counts := map[string]int{}
	for begin := time.Now(); time.Since(begin) < long; {
		name, end := disorder.Next()
		counts[name]++
		if *chaosLog {
			t.Logf("%v: %s", time.Since(begin).Round(time.Millisecond), name)
		}
		time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
		end()
		ended := time.Now()
		s, g := sent.Load(), received.Load()
		for sent.Load() < s+10 || received.Load() < g+10 {
			if time.Since(ended) > patience {
				t.Errorf("after %q: %d frames received and %d sent in %v", name, received.Load()-g, sent.Load()-s, patience)
				break
			}
			time.Sleep(time.Millisecond)
		}
		worst = max(worst, time.Since(ended))
	}
	close(stop)
	all.Wait()
	t.Logf("%d received, %d sent, %d resets, back after %v at the latest; %v", received.Load(), sent.Load(), d.stat("resets"), worst.Round(time.Millisecond), counts)
	d.close()
}
