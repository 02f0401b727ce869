package main

import (
	"fmt"
	"io"

	"github.com/ferrule-go/ferrule/nicring"
)

// A report is what a run comes to. Its keys do not change their meaning; new
// ones may be added.
type report struct {
	counts
	Injected   uint64 `json:"injected"`   // made by --tx-first; rx + injected = tx + dropped
	Interrupts uint64 `json:"interrupts"` // taken from the cards

	DurationSeconds  float64 `json:"duration_seconds"`
	PacketsPerSecond float64 `json:"packets_per_second"` // tx_packets by duration
	BitsPerSecond    float64 `json:"bits_per_second"`    // tx_bytes by duration
	NsPerPacket      float64 `json:"ns_per_packet"`      // of the workers' time, waiting not counted
	CyclesPerPacket  float64 `json:"cycles_per_packet,omitempty"`
	ClockMHz         float64 `json:"clock_mhz,omitempty"` // by which ns became cycles

	Burst    int            `json:"burst"`
	Ring     int            `json:"ring"`
	Pipeline bool           `json:"pipeline"`
	Workers  int            `json:"workers"`
	Queues   int            `json:"queues"` // of each port
	Ports    []portReport   `json:"ports"`
	ByQueue  []queueReport  `json:"by_queue"`
	Traffic  *trafficReport `json:"traffic,omitempty"` // of the built-in source
}

// A portReport is the part of one port. Frames count as dropped at the port
// they came in by.
type portReport struct {
	Port string `json:"port"`
	MAC  string `json:"mac"`
	counts
}

// A queueReport is the part of one receive queue: frames that came by it, and
// where they left for, which is the queue of that number of the other port.
type queueReport struct {
	Port      string `json:"port"`
	Queue     int    `json:"queue"`
	RxPackets uint64 `json:"rx_packets"`
	TxPackets uint64 `json:"tx_packets"` // handed to the other card
	Dropped   uint64 `json:"dropped"`
}

// counts are frames, and their bytes without preamble and FCS.
type counts struct {
	RxPackets uint64 `json:"rx_packets"` // received by the forwarder
	RxBytes   uint64 `json:"rx_bytes"`
	TxPackets uint64 `json:"tx_packets"` // sent by the card
	TxBytes   uint64 `json:"tx_bytes"`   // handed to the card
	Dropped   uint64 `json:"dropped"`    // received or injected, and not sent
	Missed    uint64 `json:"missed"`     // lost by the card: no descriptor and no room
	Errors    uint64 `json:"errors"`     // refused by the card or its driver
}

func (c *counts) add(d counts) {
	c.RxPackets += d.RxPackets
	c.RxBytes += d.RxBytes
	c.TxPackets += d.TxPackets
	c.TxBytes += d.TxBytes
	c.Dropped += d.Dropped
	c.Missed += d.Missed
	c.Errors += d.Errors
}

func (c *counts) row(name string) []string {
	row := []string{name}
	for _, n := range []uint64{c.RxPackets, c.RxBytes, c.TxPackets, c.TxBytes, c.Dropped, c.Missed, c.Errors} {
		row = append(row, grouped(n))
	}
	return row
}

var countNames = []string{"port", "rx packets", "rx bytes", "tx packets", "tx bytes", "dropped", "missed", "errors"}

// report sums a run up. The engine has stopped, and the ports are open still.
func (e *engine) report(clockMHz float64) report {
	s := e.sample()
	r := report{
		DurationSeconds:  s.elapsed.Seconds(),
		PacketsPerSecond: s.packetsPerSecond(),
		BitsPerSecond:    s.bitsPerSecond(),
		NsPerPacket:      s.nsPerPacket(),
		CyclesPerPacket:  s.nsPerPacket() * clockMHz / 1000,
		ClockMHz:         clockMHz,
		Burst:            e.burst,
		Pipeline:         e.pipeline,
		Workers:          len(e.crew),
		Queues:           e.queues,
	}
	r.Ports = e.portReports()
	for _, p := range r.Ports {
		r.counts.add(p.counts)
	}
	for k, l := range e.joined {
		r.Injected += l.injected
		r.ByQueue = append(r.ByQueue, queueReport{l.from.String(), k / 2,
			l.rx.packets.load(), l.tx.packets.load(), l.tx.dropped.load()})
	}
	for _, l := range e.joined[:2] {
		r.Interrupts += portStat(l.from, "interrupts_taken")
	}
	return r
}

// portStat returns one of a port's extended statistics.
func portStat(p nicring.Port, name string) uint64 {
	stats, _ := p.ExtendedStats() // of a card that is gone, what it last told
	for n, v := range stats {
		if n == name {
			return v
		}
	}
	return 0
}

// portReports are what the ports have done.
func (e *engine) portReports() (all []portReport) {
	for i, l := range e.joined[:2] {
		in, out := e.joined.of(i).flow(), e.joined.of(1-i).flow()
		stats, _ := l.from.Stats() // of a card that is gone, what it last told
		all = append(all, portReport{l.from.String(), l.from.MAC().String(), counts{
			RxPackets: in.received,
			RxBytes:   in.receivedBytes,
			TxPackets: out.sent,
			TxBytes:   out.sentBytes,
			Dropped:   in.dropped,
			Missed:    stats.RxMissed,
			Errors:    stats.RxErrors + stats.RxDropped,
		}})
	}
	return all
}

func (r report) writeTable(w io.Writer) {
	rows := [][]string{countNames}
	for _, p := range r.Ports {
		rows = append(rows, p.row(p.Port))
	}
	writeTable(w, append(rows, r.row("total")), true)
	if r.Injected > 0 {
		fmt.Fprintf(w, "%s frames put in circulation first\n", grouped(r.Injected))
	}
	fmt.Fprintf(w, "%.2f s  %s  %s  %.1f ns", r.DurationSeconds,
		scaled(r.PacketsPerSecond, "pps"), scaled(r.BitsPerSecond, "bit/s"), r.NsPerPacket)
	if r.ClockMHz > 0 {
		fmt.Fprintf(w, " or %.0f cycles (of %.0f MHz, says /proc/cpuinfo)", r.CyclesPerPacket, r.ClockMHz)
	}
	fmt.Fprintln(w, " of work a packet")
	if r.Traffic != nil {
		fmt.Fprintln(w, r.Traffic)
	}
}
