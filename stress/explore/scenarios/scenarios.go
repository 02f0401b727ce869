package main

import "github.com/ferrule-go/ferrule/stress/explore/sched"

// scenarios are all there are. A bound is as large as a search of seconds allows.
var scenarios = []sched.Scenario{
	{Name: "spinlock.Mutex", Bound: 3, Setup: spinMutex},
	{Name: "spinlock.Ticket", Bound: 3, Setup: spinTicket},
	{Name: "spinlock.RWMutex", Bound: 2, Setup: spinRWMutex},
	{Name: "spinlock.BigReader", Bound: 2, Setup: spinBigReader},
	{Name: "spinlock.BigReader/nobarrier", Bound: 2, NoBarrier: true, Setup: spinBigReader},
	{Name: "spinlock.Seq", Bound: 2, Setup: seq},
	{Name: "mcs.Lock", Bound: 3, Setup: queue},
	{Name: "mcs.Lock/again", Bound: 3, Setup: queueAgain},
	{Name: "mcs.Lock/context", Bound: 2, Setup: queueGivingUp},
	{Name: "mcs.Mutex", Bound: 2, Setup: mcsMutex},
	{Name: "rcu/lock", Bound: 3, Setup: rcuLock},
	{Name: "rcu/two", Bound: 2, Setup: rcuTwo},
	{Name: "rcu/quiesce", Bound: 3, Setup: rcuQuiesce},
	{Name: "rcu/nobarrier", Bound: 3, NoBarrier: true, Setup: rcuLock},
	{Name: "rcu/poll", Bound: 3, Setup: rcuPoll},
	{Name: "rcu/register", Bound: 3, Setup: rcuRegister},
	{Name: "eventcount/wake", Bound: sched.Free, Setup: eventcountWake},
	{Name: "spsc/try", Bound: 3, Setup: spscTry},
}
