package main

import "github.com/ferrule-go/ferrule/stress/explore/sched"

// scenarios are all there are. Bounds are as large as searches of seconds allow.
var scenarios = []sched.Scenario{
	{Name: "spinlock.Mutex", Bound: [2]int{3, 1}, Setup: spinMutex},
	{Name: "spinlock.Ticket", Bound: [2]int{2, 1}, Setup: spinTicket},
	{Name: "spinlock.RWMutex", Bound: [2]int{3, 2}, Setup: spinRWMutex},
	{Name: "spinlock.BigReader", Bound: [2]int{3, 1}, Setup: spinBigReader},
	{Name: "spinlock.BigReader/nobarrier", Bound: [2]int{3, 1}, NoBarrier: true, Setup: spinBigReader},
	{Name: "spinlock.Seq", Bound: [2]int{3, 0}, Setup: seq},
	{Name: "mcs.Lock", Bound: [2]int{2, 1}, Setup: queue},
	{Name: "mcs.Lock/again", Bound: [2]int{3, 1}, Setup: queueAgain},
	{Name: "mcs.Lock/context", Bound: [2]int{2, 1}, Setup: queueGivingUp},
	{Name: "mcs.Mutex", Bound: [2]int{2, 2}, Setup: mcsMutex},
	{Name: "rcu/lock", Bound: [2]int{3, 1}, Setup: rcuLock},
	{Name: "rcu/two", Bound: [2]int{2, 1}, Setup: rcuTwo},
	{Name: "rcu/quiesce", Bound: [2]int{3, 2}, Setup: rcuQuiesce},
	{Name: "rcu/nobarrier", Bound: [2]int{3, 1}, NoBarrier: true, Setup: rcuLock},
	{Name: "rcu/poll", Bound: [2]int{3, 2}, Setup: rcuPoll},
	{Name: "rcu/register", Bound: [2]int{2, 1}, Setup: rcuRegister},
	{Name: "eventcount/wake", Bound: [2]int{sched.Free, sched.Free}, Setup: eventcountWake},
	{Name: "spsc/try", Bound: [2]int{sched.Free, 2}, Setup: spscTry},
	{Name: "spsc/close", Bound: [2]int{3, 2}, Setup: spscClose},
	{Name: "mpmc/try", Bound: [2]int{2, 1}, Setup: mpmcTry},
}
