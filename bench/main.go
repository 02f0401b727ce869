// Bench measures Ferrule beside what could take its place, in Go, C and C++, and
// writes raw results for benchstat, a summary and charts to docs/bench; the
// README there says what the figures mean. Run it through the Makefile at the
// top:
//
//	make bench                    # everything, ten rounds: some half an hour
//	make bench ROUNDS=1           # a first look
//	make bench ONLY=spsc,lock     # some groups
//
// or, for the summary and the charts of raw files that are there already,
//
//	go run . -report FILE...
//
// and for the charts alone, such as those of make transfers,
//
//	go run . -charts FILE...
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var (
	rounds   = flag.Int("rounds", 10, "how often each case is measured")
	only     = flag.String("only", "", "groups to measure, separated by commas; all if empty")
	without  = flag.String("without", "", "implementations to leave out, separated by commas")
	length   = flag.Float64("ms", 60, "how long one measurement takes, in milliseconds; contended locks take a second, latencies 20 times as long, forwarding in a virtual machine 50 times")
	quick    = flag.Bool("quick", false, "measure the first case of each group only")
	addTo    = flag.Bool("append", false, "add to the raw files of this commit and day, for more rounds")
	out      = flag.String("out", filepath.Join("..", "docs", "bench"), "directory for the results")
	onReport = flag.Bool("report", false, "measure nothing: write the summary and the charts of the raw files named")
	onCharts = flag.Bool("charts", false, "measure nothing: draw the charts of the raw files named")
	deps     = flag.Bool("deps", false, "install the packages and build the programs, and no more")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if *onReport {
		return writeReport(*out, flag.Args())
	}
	if *onCharts {
		return writeCharts(*out, flag.Args())
	}
	if err := install(); err != nil {
		fmt.Println("packages:", err)
	}
	programs, missing, err := build()
	if err != nil {
		return err
	}
	for _, m := range missing {
		fmt.Printf("not built, and so not measured: %s\n", m)
	}
	if *deps {
		return nil
	}
	m, err := machineHere(missing)
	if err != nil {
		return err
	}
	chosen, err := choose()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	for _, g := range chosen {
		if err := measure(m.file(g), m, g, programs); err != nil {
			return err
		}
	}
	var files []string // with those of groups measured earlier
	for _, g := range groups {
		if _, err := os.Stat(m.file(g)); err == nil {
			files = append(files, m.file(g))
		}
	}
	return writeReport(*out, files)
}

// choose returns the groups asked for.
func choose() (chosen []group, err error) {
	wanted := strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	for _, name := range wanted {
		if !slices.ContainsFunc(groups, func(g group) bool { return g.name == name }) {
			return nil, fmt.Errorf("no group is named %s", name)
		}
	}
	for _, g := range groups {
		if len(wanted) == 0 || slices.Contains(wanted, g.name) {
			if *quick {
				g.cases = g.cases[:1]
			}
			chosen = append(chosen, g)
		}
	}
	return chosen, nil
}

// measure writes the raw file of a group. Within a round the implementations take
// turns case by case, each in a process of its own, so that what is compared is
// measured within seconds and in memory laid out anew.
func measure(file string, m machine, g group, programs []program) error {
	mode := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if *addTo {
		mode = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	f, err := os.OpenFile(file, mode, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if at, err := f.Seek(0, 2); err != nil || at == 0 {
		fmt.Fprint(f, m.header())
	}
	defer endVMs(programs)
	gaveUp := map[string]bool{} // what has failed once is not tried again
	for round := range *rounds {
		began, stolen := time.Now(), stolenTicks()
		for _, c := range g.cases {
			for _, p := range programs {
				at := c + "/impl=" + p.impl
				if !p.can(c) || gaveUp[at] || slices.Contains(strings.Split(*without, ","), p.impl) {
					continue
				}
				line, err := measureAtOneDistance(p, c)
				if err != nil {
					gaveUp[at] = true
					line = fmt.Sprintf("# failed: %v\n", err)
					fmt.Print(line)
				}
				if _, err := f.WriteString(line); err != nil {
					return err
				}
			}
		}
		took := time.Since(began)
		fmt.Fprintf(f, "# round ended %s after %.1f s, load %s, stolen by the host %.2f %%\n",
			time.Now().UTC().Format(time.DateTime), took.Seconds(), loadAverage(), stolenShare(stolenTicks()-stolen, took))
		fmt.Printf("%s: round %d of %d took %.1f s\n", g.name, round+1, *rounds, took.Seconds())
	}
	return f.Close()
}

// measureAtOneDistance measures again if the processors were moved meanwhile, but
// not for ever.
func measureAtOneDistance(p program, c string) (line string, err error) {
	before := lineRoundTrip()
	for range 4 {
		line, err = p.measure(c, *length)
		if err != nil {
			return "", err
		}
		after := lineRoundTrip()
		line = fmt.Sprintf("%s\t%.4g %s\n", strings.TrimSuffix(line, "\n"), max(before, after), lineUnit)
		if max(before, after) <= 2*min(before, after) {
			break
		}
		before = after
	}
	return line, nil
}
