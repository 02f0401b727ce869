package rcu_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/rcu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// pipe is how many grace periods an element goes through after it was replaced
// and before it is used again. As many as this show how late a reader was.
const pipe = 8

// An element is what readers find. Its age is 0 while it is the newest, and then
// one more than the grace periods that have passed.
type element struct {
	_   cpu.Pad
	age atomic.Int32

	// words are plain memory, and equal. From age 2 on they are the writer's, who
	// then spoils them.
	words [4]uint64
	_     cpu.Pad
}

// A torture has readers watch the age of the elements that writers replace.
type torture struct {
	newest  [2]rcu.Pointer[element] // one for each writer
	seen    [pipe + 2]atomic.Int64  // how often a reader saw an element of that age
	torn    atomic.Int64            // how often the words were not equal
	stopped atomic.Bool

	synchronize func(*rcu.Domain)
	useWords    bool
}

func (x *torture) write(d *rcu.Domain, own int, enough func(round int) bool) {
	elements := make([]element, pipe+2)
	var free, aging []*element
	for i := range elements {
		free = append(free, &elements[i])
	}
	for round := 0; !enough(round); round++ {
		e := free[0]
		free = free[1:]
		e.age.Store(0)
		x.fill(e, uint64(round))
		if old := x.newest[own].Swap(e); old != nil {
			old.age.Store(1)
			aging = append(aging, old)
		}
		x.synchronize(d)
		for _, e := range aging {
			if e.age.Add(1) == 2 {
				x.fill(e, rand.Uint64())
			}
		}
		aging = slices.DeleteFunc(aging, func(e *element) bool {
			old := e.age.Load() > pipe
			if old {
				free = append(free, e)
			}
			return old
		})
		if round%256 == 0 {
			runtime.GC()
		}
	}
}

// fill writes one word after the other, so that a reader finds them unequal.
func (x *torture) fill(e *element, v uint64) {
	if x.useWords {
		for i := range e.words {
			e.words[i] = v
		}
	}
}

func (x *torture) read(d *rcu.Domain) {
	for !x.stopped.Load() {
		r := d.Register()
		for range rand.N(1000) {
			x.section(r)
		}
		r.Close()
	}
}

func (x *torture) section(r *rcu.Reader) {
	r.Lock()
	e := x.newest[rand.N(len(x.newest))].Load()
	if e == nil {
		r.Unlock()
		return
	}
	var words [4]uint64
	if x.useWords {
		words = e.words
	}
	switch rand.N(16) {
	case 0:
		runtime.Gosched()
	case 1:
		r.Lock()
		runtime.Gosched()
		r.Unlock()
	default:
		cpu.Pause(rand.Uint32N(8))
	}
	age := e.age.Load()
	if x.useWords && words != e.words || words != [4]uint64{words[0], words[0], words[0], words[0]} {
		x.torn.Add(1)
	}
	r.Unlock()
	x.seen[age].Add(1)
}

// run returns how often readers saw an element of each age. The numbers of grace
// periods wrap after the first 50.
func (x *torture) run(enough func(round int) bool) (ages []int64) {
	d := rcu.NewAt(^uint64(0) - 50*rcu.Step)
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() { x.read(d) })
	}
	for own := range x.newest {
		writers.Go(func() { x.write(d, own, enough) })
	}
	writers.Wait()
	x.stopped.Store(true)
	readers.Wait()
	for age := range x.seen {
		ages = append(ages, x.seen[age].Load())
	}
	return ages
}

// No reader may see an element older than one: it was replaced, and then a grace
// period passed.
func TestTorture(t *testing.T) {
	length := 2 * time.Second
	if testing.Short() {
		length = 0
	}
	end := time.Now().Add(length)
	x := &torture{synchronize: (*rcu.Domain).Synchronize, useWords: true}
	ages := x.run(func(round int) bool { return round >= 200 && time.Now().After(end) })
	t.Logf("elements seen, by age: %v", ages)
	require.NotZero(t, ages[1], "no reader was overtaken by a writer")
	for age, n := range ages[2:] {
		require.Zero(t, n, "readers saw elements of age %d; all by age: %v", age+2, ages)
	}
	require.Zero(t, x.torn.Load(), "elements changed while readers had them")
}

// Without grace periods the torture has to come to light.
func TestTortureSeesMissingGracePeriods(t *testing.T) {
	x := &torture{synchronize: func(*rcu.Domain) { runtime.Gosched() }}
	x.run(func(int) bool {
		for age := range x.seen {
			if age >= 2 && x.seen[age].Load() > 0 {
				return true
			}
		}
		return false
	})
}

// Store buffering: one stores its word and loads the pointer, the other stores
// the pointer and loads the word. If both could load what was there before, a
// reader that has the old version would be overlooked. Both begin a round at about
// the same time, and the reader has so much to store that the word comes late.
func TestLockComesBeforeLoad(t *testing.T) {
	rounds := uint64(200_000)
	if testing.Short() {
		rounds = 10_000
	}
	var (
		d        rcu.Domain
		r        = d.Register()
		begun    [2]padded               // the round in which each is
		newest   padded                  // what the writer unlinks the round before with
		finished padded                  // the round whose grace period is over
		cold     = make([]uint64, 4<<20) // more than the caches hold

		overlooked int
	)
	begin := func(own int, round uint64) {
		begun[own].Store(round)
		for b := (spinlock.Backoff{}); int64(begun[1-own].Load()-round) < 0; {
			b.Wait()
		}
		cpu.Pause(rand.Uint32N(64))
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		for round := uint64(1); round <= rounds; round++ {
			begin(0, round)
			newest.Store(round)
			d.Synchronize()
			finished.Store(round)
		}
	})
	for round := uint64(1); round <= rounds; round++ {
		begin(1, round)
		for range 16 {
			cold[rand.N(len(cold))] = round
		}
		r.Lock()
		found := newest.Load()
		for range 8 {
			cpu.Pause(1)
			if found != round && finished.Load() == round {
				overlooked++
			}
		}
		r.Unlock()
	}
	writer.Wait()
	require.Zero(t, overlooked, "readers that had the old version and were not waited for")
}

// padded is a word on a line of its own.
type padded struct {
	atomic.Uint64
	_ cpu.Pad
}
