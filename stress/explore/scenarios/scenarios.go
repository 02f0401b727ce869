package main

import "github.com/ferrule-go/ferrule/stress/explore/sched"

var scenarios = []sched.Scenario{
	{Name: "spsc/try", Bound: 3, Setup: spscTry},
	{Name: "eventcount/wake", Bound: sched.Free, Setup: eventcountWake},
}
