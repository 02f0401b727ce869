package main

import (
	"testing"
	"time"
)

// TestWhatIsNotSureIsNotMeasured gives readings that are, and some that are not.
func TestWhatIsNotSureIsNotMeasured(t *testing.T) {
	begin := time.Now()
	at := func(asked, took time.Duration, sent, received uint64) reading {
		return reading{sent, received, begin.Add(asked), begin.Add(asked + took)}
	}
	const ms = time.Millisecond
	first := at(0, 2*ms, 0, 0)
	took, err := between(first, at(1000*ms, 4*ms, 5000, 5064))
	if err != nil || took != 1001*ms {
		t.Errorf("%v and %v, want 1.001s", took, err)
	}
	for name, second := range map[string]reading{
		"a slow answer":      at(1000*ms, 30*ms, 5000, 5000),
		"no frames":          at(1000*ms, 2*ms, 0, 0),
		"frames that vanish": at(1000*ms, 2*ms, 5000, 3000),
	} {
		if took, err := between(first, second); err == nil {
			t.Errorf("%s: took for sure %v", name, took)
		}
	}
}
