package stress_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ferrule-go/ferrule/stress"
)

// A program that tortures what it depends on, on the machine that it runs on.
func Example() {
	report, err := stress.Run(context.Background(), stress.Options{Only: []string{"spsc"}, Duration: 100 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range report.Trials {
		for _, m := range t.Messages {
			fmt.Println(t.Name, "is broken:", m)
		}
	}
	fmt.Println(report.Violations, "violations")
	// Output: 0 violations
}

// What there is to choose from.
func ExampleTrial() {
	var all []stress.Trial = stress.Trials()
	for _, t := range all {
		if strings.HasPrefix(t.Name, "spinlock.") {
			fmt.Printf("%s: %s\n", t.Name, t.About)
		}
	}
	// Output:
	// spinlock.Mutex: one inside; a wait that was cancelled never gets in
	// spinlock.Ticket: one inside; a number that was given up holds up nobody
	// spinlock.RWMutex: one writer inside, or readers
	// spinlock.BigReader: one writer inside, or readers, who come and go
	// spinlock.SeqLock: what was read without a retry was written together
	// spinlock.Seq: a value is read whole, and no older than the last one
}

// A run that says how far it is, and ends when it is told to or at the first
// violation.
func ExampleOptions() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	report, err := stress.Run(ctx, stress.Options{
		Only:     []string{"spinlock.Mutex", "mcs.Mutex"},
		Duration: time.Minute,
		Work:     100, // operations a round: short ones
		FailFast: true,
		Progress: func(r stress.Report, trial string) {
			fmt.Println(trial, "had a round")
			if trial == "mcs.Mutex" {
				cancel()
			}
		},
	})
	fmt.Println(report.Violations, err)
	// Output:
	// spinlock.Mutex had a round
	// mcs.Mutex had a round
	// 0 <nil>
}

// A Report is made to be read by programs, too.
func ExampleReport() {
	report, err := stress.Run(context.Background(), stress.Options{Seed: 7, Only: []string{"mpmc.Ring"}, Rounds: 2, Work: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _ := json.Marshal(report)
	var read stress.Report
	fmt.Println(json.Unmarshal(text, &read), read.Seed, read.Trials[0].Rounds, read.Violations)
	// Output: <nil> 7 2 0
}
