// Worker measures what is written in Go: Ferrule, and what could take its place.
// Without arguments it lists what it can measure, a shape and a name a line.
// With IMPL CASE MILLISECONDS it measures one case and prints one line for
// benchstat. The programs in peers do the same for C and C++.
package main

//go:generate go run -C .. ./gen

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// What is to be measured now.
var (
	impl     string
	caseName string        // such as Lock/contenders=2
	budget   time.Duration // that one measurement is to take
)

// An entry is one thing that can be measured in one way.
type entry struct {
	shape, impl string
	measure     func()
}

var entries []entry

func register(shape, impl string, measure func()) {
	entries = append(entries, entry{shape, impl, measure})
}

func main() {
	if len(os.Args) != 4 {
		for _, e := range entries {
			fmt.Println(e.shape, e.impl)
		}
		return
	}
	impl, caseName = os.Args[1], os.Args[2]
	ms, err := strconv.ParseFloat(os.Args[3], 64)
	if err != nil {
		fail(err.Error())
	}
	budget = time.Duration(ms * float64(time.Millisecond))
	shape, _, _ := strings.Cut(caseName, "/")
	for _, e := range entries {
		if e.shape == shape && e.impl == impl {
			e.measure()
			return
		}
	}
	fail("not in this program")
}

func fail(why string) {
	fmt.Fprintf(os.Stderr, "%s/impl=%s: %s\n", caseName, impl, why)
	os.Exit(1)
}
