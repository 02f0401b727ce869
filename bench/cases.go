package main

import "fmt"

// A group is measured into a file of its own.
type group struct {
	name  string
	cases []string
}

// groups is everything that is measured. A case names its shape, which decides
// who can be measured in it, and its parameters. The first case of each shape is
// the one that quick measures.
var groups = []group{
	{"spsc", each("SPSC/batch=%d/producers=1/consumers=1/cap=1024", 1, 8, 32, 2, 128)},
	{"size", each("SPSC/batch=1/producers=1/consumers=1/cap=%d", 1024, 16, 128, 8192, 65536)},
	{"roundtrip", []string{"RoundTrip/cap=1024"}},
	{"block", append(
		each("BlockSPSC/producers=%[1]d/consumers=%[1]d/cap=1024", 1),
		each("BlockMPMC/producers=%[1]d/consumers=%[1]d/cap=1024", 2, 32)...)},
	{"mpmc", append(
		each("MPMC/batch=1/producers=%[1]d/consumers=%[1]d/cap=1024", 1, 2, 32, 4, 8, 16),
		each("MPMC/batch=32/producers=%[1]d/consumers=%[1]d/cap=1024", 1, 2, 32)...)},
	{"lock", each("Lock/contenders=%d", 1, 2, 8, 64)},
	{"read", each("Read/readers=%d", 1, 2, 64)},
	{"rcu", []string{"Synchronize/readers=2", "Call/readers=0"}},
	{"lookup", each("Lookup/readers=%d/entries=65536", 1, 2)},
	{"pool", append(each("Pool/goroutines=1/batch=%d", 32, 1, 8), each("Pool/goroutines=2/batch=%d", 32)...)},
	{"latency", each("Latency/rate=%d/size=64/ring=1024", 100_000)},
	{"testpmd", each("Forward/cards=2/size=60/ring=512/burst=%d", 32)},
	{"packet", each("Packet/ring=1024/size=64/burst=%d", 32, 1, 2, 4, 8, 64, 256)},
}

// each returns a case for each value of a parameter.
func each(format string, values ...int) (cases []string) {
	for _, v := range values {
		cases = append(cases, fmt.Sprintf(format, v))
	}
	return cases
}
