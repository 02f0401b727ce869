package stress

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// affinity is the set of processors that the program was given.
type affinity struct{ set unix.CPUSet }

// given asks once: later the thread that asks may be bound.
var given = sync.OnceValue(func() (a affinity) {
	if unix.SchedGetaffinity(0, &a.set) != nil {
		a.set.Zero()
	}
	return a
})

// shuffle binds each thread to one of the processors, or to none in particular.
func (a *affinity) shuffle(r *rand.Rand) {
	var cpus []int
	for i := range len(a.set) * 64 {
		if a.set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	a.each(func(thread int) {
		set := a.set
		if len(cpus) > 0 && r.IntN(3) > 0 {
			set.Zero()
			set.Set(cpus[r.IntN(len(cpus))])
		}
		_ = unix.SchedSetaffinity(thread, &set) // of a thread that has just ended
	})
}

func (a *affinity) restore() {
	a.each(func(thread int) { _ = unix.SchedSetaffinity(thread, &a.set) })
}

func (a *affinity) each(f func(thread int)) {
	if a.set.Count() == 0 {
		return
	}
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			f(id)
		}
	}
}
