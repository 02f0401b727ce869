package rcu_test

import (
	"context"
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

	readers  []func(*torture, *rcu.Domain) // read for a while
	periods  []func(*rcu.Domain)           // let a grace period pass; writers choose
	useWords bool
}

// Each of these lets a grace period pass.
var periods = []func(*rcu.Domain){
	(*rcu.Domain).Synchronize,
	func(d *rcu.Domain) {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		if d.SynchronizeContext(ctx) != nil {
			d.Synchronize()
		}
	},
	func(d *rcu.Domain) {
		for c := d.Snapshot(); !d.Passed(c); {
			runtime.Gosched()
		}
	},
	func(d *rcu.Domain) {
		c := d.Snapshot()
		d.Passed(c) // begins it
		if err := d.Wait(context.Background(), c); err != nil {
			panic(err)
		}
	},
	func(d *rcu.Domain) {
		done := make(chan struct{})
		d.Call(func() { close(done) })
		<-done
	},
	func(d *rcu.Domain) {
		d.Call(func() {})
		d.Barrier()
	},
}

// Each of these looks as if it did.
var brokenPeriods = map[string]func(*rcu.Domain){
	"nothing": func(*rcu.Domain) {},
	"context done": func(d *rcu.Domain) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = d.SynchronizeContext(ctx) // the error says that nothing is known
	},
	"polled once":          func(d *rcu.Domain) { d.Passed(d.Snapshot()) },
	"cookie made too soon": func(d *rcu.Domain) { d.Passed(rcu.Cookie{}) },
	"callback not awaited": func(d *rcu.Domain) { d.Call(func() {}) },
	"barrier for nothing":  (*rcu.Domain).Barrier,
}

// Each of these reads for a while, in a section.
var readers = []func(*torture, *rcu.Domain){
	func(x *torture, d *rcu.Domain) {
		r := d.Register()
		for range rand.N(1000) {
			r.Lock()
			e := x.find()
			if rand.N(16) == 0 {
				r.Lock()
				runtime.Gosched()
				r.Unlock()
			}
			x.use(e)
			r.Unlock()
		}
		r.Close()
	},
	func(x *torture, d *rcu.Domain) {
		r := d.Register()
		for range rand.N(10) {
			r.Online()
			for range rand.N(100) {
				x.use(x.find())
				r.Quiesce()
				r.Lock()
				x.use(x.find())
				r.Unlock()
			}
			r.Offline()
			runtime.Gosched()
		}
		r.Close()
	},
	func(x *torture, d *rcu.Domain) {
		for range 1000 {
			d.Read(func() { x.use(x.find()) })
		}
	},
}

// Each of these looks as if it did.
var brokenReaders = map[string]func(*torture, *rcu.Domain){
	"use after Unlock": func(x *torture, d *rcu.Domain) {
		r := d.Register()
		r.Lock()
		e := x.find()
		r.Unlock()
		x.use(e)
		r.Close()
	},
	"use after Quiesce": func(x *torture, d *rcu.Domain) {
		r := d.Register()
		r.Online()
		for range 100 {
			e := x.find()
			runtime.Gosched() // a grace period begins
			r.Quiesce()
			runtime.Gosched() // and ends
			x.use(e)
		}
		r.Offline()
		r.Close()
	},
	"use after Offline": func(x *torture, d *rcu.Domain) {
		r := d.Register()
		r.Online()
		e := x.find()
		r.Offline()
		x.use(e)
		r.Close()
	},
	"use after Read": func(x *torture, d *rcu.Domain) {
		var e *element
		d.Read(func() { e = x.find() })
		x.use(e)
	},
}

// find returns one of the elements that are the newest.
func (x *torture) find() *element { return x.newest[rand.N(len(x.newest))].Load() }

// use looks at e for a while and then at its age.
func (x *torture) use(e *element) {
	if e == nil {
		return // no writer has begun
	}
	var words [4]uint64
	if x.useWords {
		words = e.words
	}
	if rand.N(16) == 0 {
		runtime.Gosched()
	} else {
		cpu.Pause(rand.Uint32N(8))
	}
	age := e.age.Load()
	if x.useWords && words != e.words || words != [4]uint64{words[0], words[0], words[0], words[0]} {
		x.torn.Add(1)
	}
	x.seen[age].Add(1)
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
		x.periods[rand.N(len(x.periods))](d)
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
		if rand.N(16) == 0 {
			runtime.Gosched()
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

// flood gives d callbacks as fast as it takes them, and returns how many never
// came.
func (x *torture) flood(d *rcu.Domain) (lost int) {
	given, came := 0, 0
	for !x.stopped.Load() {
		for range rand.N(2 * rcu.Backlog) {
			given++
			d.Call(func() { came++ })
		}
		d.Barrier()
	}
	return given - came
}

// run has all read and write until a writer has had enough.
func (x *torture) run(d *rcu.Domain, enough func(round int) bool) {
	var readers, writers sync.WaitGroup
	for _, read := range x.readers {
		readers.Go(func() {
			for !x.stopped.Load() {
				read(x, d)
			}
		})
	}
	for own := range x.newest {
		writers.Go(func() { x.write(d, own, enough) })
	}
	writers.Wait()
	x.stopped.Store(true)
	readers.Wait()
}

// ages returns how often readers saw an element of each age.
func (x *torture) ages() (ages []int64) {
	for age := range x.seen {
		ages = append(ages, x.seen[age].Load())
	}
	return ages
}

// No reader may see an element older than one: it was replaced, and then a grace
// period passed.
func TestTorture(t *testing.T) {
	t.Run("driver fences", torment)
	t.Run("readers fence", func(t *testing.T) {
		defer rcu.ReadersFence()()
		torment(t)
	})
}

func torment(t *testing.T) {
	length, rounds := time.Second, 200
	if testing.Short() {
		length, rounds = 0, 40
	}
	end := time.Now().Add(length)
	x := &torture{readers: slices.Concat(readers, readers), periods: periods, useWords: true}
	d := rcu.NewAt(^uint64(0) - 20*rcu.Step) // the numbers wrap soon
	lost := make(chan int)
	go func() { lost <- x.flood(d) }()
	x.run(d, func(round int) bool {
		return round >= rounds && time.Now().After(end) && x.seen[1].Load() > 0
	})
	require.Zero(t, <-lost, "callbacks that did not come")
	d.Close()
	t.Logf("elements seen, by age: %v", x.ages())
	for age, n := range x.ages()[2:] {
		require.Zero(t, n, "readers saw elements of age %d; all by age: %v", age+2, x.ages())
	}
	require.Zero(t, x.torn.Load(), "elements changed while readers had them")
}

// The torture brings to light whatever is broken, a writer or a reader.
func TestTortureSeesWhatIsBroken(t *testing.T) {
	for name, broken := range brokenPeriods {
		t.Run(name, func(t *testing.T) {
			untilSeen(&torture{readers: readers, periods: []func(*rcu.Domain){broken}})
		})
	}
	for name, broken := range brokenReaders {
		t.Run(name, func(t *testing.T) {
			untilSeen(&torture{readers: []func(*torture, *rcu.Domain){broken, broken}, periods: periods})
		})
	}
}

// untilSeen returns when a reader has seen an element that is too old.
func untilSeen(x *torture) {
	x.run(new(rcu.Domain), func(int) bool {
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
	t.Run("driver fences", lockComesBeforeLoad)
	t.Run("readers fence", func(t *testing.T) {
		defer rcu.ReadersFence()()
		lockComesBeforeLoad(t)
	})
}

func lockComesBeforeLoad(t *testing.T) {
	rounds := uint64(100_000)
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

// Store buffering again: the reader stores its word and looks whether it is awaited,
// the driver stores that it is and loads the word. If both could load what was there
// before, the driver would sleep with nobody to wake it, and the test never end. The
// section ends when the driver is about to sleep, and the reader has so much to
// store that the word comes late. Where readers fence for themselves they do not do
// so here, and the driver has to find out.
func TestUnlockIsSeenOrTold(t *testing.T) {
	t.Run("driver fences", unlockIsSeenOrTold)
	t.Run("readers fence", func(t *testing.T) {
		defer rcu.ReadersFence()()
		unlockIsSeenOrTold(t)
	})
}

func unlockIsSeenOrTold(t *testing.T) {
	rounds := uint64(100_000)
	if testing.Short() {
		rounds = 10_000
	}
	var (
		d        rcu.Domain
		r        = d.Register()
		inside   padded                  // the round in which the reader is inside
		finished padded                  // the round whose grace period is over
		cold     = make([]uint64, 4<<20) // more than the caches hold
	)
	await := func(word *padded, round uint64) {
		for b := (spinlock.Backoff{}); word.Load() != round; {
			b.Wait()
		}
	}
	var driver sync.WaitGroup
	driver.Go(func() {
		for round := uint64(1); round <= rounds; round++ {
			await(&inside, round)
			d.Synchronize()
			finished.Store(round)
		}
	})
	for round := uint64(1); round <= rounds; round++ {
		r.Lock()
		inside.Store(round)
		for range rand.N(40) {
			cpu.Pause(8)
		}
		for range 8 {
			cold[rand.N(len(cold))] = round
		}
		r.Unlock()
		await(&finished, round)
	}
	driver.Wait()
}

// padded is a word on a line of its own.
type padded struct {
	atomic.Uint64
	_ cpu.Pad
}
