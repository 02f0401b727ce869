package stress

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// weather is what is done to the scheduler while a round is on.
type weather struct {
	shuffle  bool // GOMAXPROCS changes all the time, and threads their processors
	garbage  bool // the collector runs all the time
	crowded  int  // goroutines that only burn time, so that the others are preempted
	stalls   int  // one pause in so many stalls
	sleeps   bool // and some of those for long
	shuffled uint64
}

func newWeather(r *rand.Rand) weather {
	w := weather{
		shuffle:  r.IntN(3) == 0,
		garbage:  r.IntN(3) == 0,
		stalls:   []int{4, 32, 256, 1 << 20}[r.IntN(4)],
		sleeps:   r.IntN(3) == 0,
		shuffled: r.Uint64(),
	}
	if r.IntN(3) == 0 {
		w.crowded = 1 + r.IntN(2*runtime.NumCPU())
	}
	return w
}

// begin makes the weather, and returns what ends it.
func (w *weather) begin() (end func()) {
	var (
		over     atomic.Bool
		burnt    atomic.Uint64 // or the compiler would burn nothing
		storms   sync.WaitGroup
		procs    = runtime.GOMAXPROCS(0)
		affinity = given()
	)
	if w.shuffle {
		storms.Go(func() {
			r := rand.New(rand.NewPCG(w.shuffled, 1))
			for !over.Load() {
				runtime.GOMAXPROCS(1 + r.IntN(2*runtime.NumCPU()+2))
				affinity.shuffle(r)
				time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
			}
		})
	}
	if w.garbage {
		storms.Go(func() {
			for !over.Load() {
				runtime.GC()
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	for range w.crowded {
		storms.Go(func() {
			for x := uint64(1); !over.Load(); { // in Go: in assembly it could not be preempted
				for range 1000 {
					x ^= x<<13 ^ x>>7
				}
				burnt.Store(x)
			}
		})
	}
	return func() {
		over.Store(true)
		storms.Wait()
		affinity.restore()
		runtime.GOMAXPROCS(procs)
	}
}

// stall holds up the goroutine that calls it, one time in so many.
func (w *weather) stall(r *rand.Rand) {
	if r.IntN(w.stalls) != 0 {
		return
	}
	switch n := r.IntN(16); {
	case n < 10:
		runtime.Gosched()
	case n < 15 || !w.sleeps:
		cpu.Pause(r.Uint32N(2000))
	default:
		time.Sleep(time.Duration(r.IntN(300)) * time.Microsecond)
	}
}
