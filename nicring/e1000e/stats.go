package e1000e

import (
	"fmt"
	"iter"

	"github.com/ferrule-go/ferrule/nicring"
)

// A counter is a statistics register of the card. Reading it clears it; it sticks
// at all ones instead of wrapping. One of octets has a high half in the register
// behind, whose reading clears both.
type counter struct {
	name string
	reg  uint32
	wide bool
}

// Those that Stats is made of come first, and have numbers.
const (
	nGPRC = iota
	nGPTC
	nGORC
	nGOTC
	nMPC
	nCRCERRS
	nRXERRC
	nRLEC
	nRUC
	nRFC
	nROC
	nRJC
)

const crc = 4

// cardCounters are all that the card has (82574 data sheet, section 10.2.8), in an
// order of ours.
var cardCounters = [...]counter{
	nGPRC:    {"rx_good_packets", 0x4074, false},
	nGPTC:    {"tx_good_packets", 0x4080, false},
	nGORC:    {"rx_good_octets", 0x4088, true},
	nGOTC:    {"tx_good_octets", 0x4090, true},
	nMPC:     {"rx_missed", 0x4010, false},
	nCRCERRS: {"rx_crc_errors", 0x4000, false},
	nRXERRC:  {"rx_symbol_errors", 0x400C, false},
	nRLEC:    {"rx_length_errors", 0x4040, false},
	nRUC:     {"rx_undersize", 0x40A4, false},
	nRFC:     {"rx_fragments", 0x40A8, false},
	nROC:     {"rx_oversize", 0x40AC, false},
	nRJC:     {"rx_jabber", 0x40B0, false},

	nRJC + 1: {"rx_alignment_errors", 0x4004, false},
	{"rx_carrier_extension_errors", 0x403C, false},
	{"rx_no_descriptor", 0x40A0, false},
	{"rx_broadcast_packets", 0x4078, false},
	{"rx_multicast_packets", 0x407C, false},
	{"rx_size_64", 0x405C, false},
	{"rx_size_65_to_127", 0x4060, false},
	{"rx_size_128_to_255", 0x4064, false},
	{"rx_size_256_to_511", 0x4068, false},
	{"rx_size_512_to_1023", 0x406C, false},
	{"rx_size_1024_and_more", 0x4070, false},
	{"rx_total_packets", 0x40D0, false},
	{"rx_total_octets", 0x40C0, true},
	{"rx_xon", 0x4048, false},
	{"rx_xoff", 0x4050, false},
	{"rx_flow_control_unsupported", 0x4058, false},
	{"rx_management_packets", 0x40B4, false},
	{"rx_management_dropped", 0x40B8, false},
	{"tx_broadcast_packets", 0x40F4, false},
	{"tx_multicast_packets", 0x40F0, false},
	{"tx_size_64", 0x40D8, false},
	{"tx_size_65_to_127", 0x40DC, false},
	{"tx_size_128_to_255", 0x40E0, false},
	{"tx_size_256_to_511", 0x40E4, false},
	{"tx_size_512_to_1023", 0x40E8, false},
	{"tx_size_1024_and_more", 0x40EC, false},
	{"tx_total_packets", 0x40D4, false},
	{"tx_total_octets", 0x40C8, true},
	{"tx_xon", 0x404C, false},
	{"tx_xoff", 0x4054, false},
	{"tx_management_packets", 0x40BC, false},
	{"tx_segmentations", 0x40F8, false},
	{"tx_segmentations_failed", 0x40FC, false},
	{"tx_single_collisions", 0x4014, false},
	{"tx_excessive_collisions", 0x4018, false},
	{"tx_multiple_collisions", 0x401C, false},
	{"tx_late_collisions", 0x4020, false},
	{"tx_collisions", 0x4028, false},
	{"tx_deferred", 0x4030, false},
	{"tx_no_carrier", 0x4034, false},
	{"interrupts_asserted", 0x4100, false},
}

// count adds what the card has counted since the last call.
func (p *Port) count() {
	for i, c := range cardCounters {
		p.counts[i] += p.readCounter(c)
	}
}

func (p *Port) readCounter(c counter) uint64 {
	low, high := p.card.Read32(c.reg), uint32(0)
	if c.wide {
		high = p.card.Read32(c.reg + 4)
	}
	if (low == gone || high == gone) && p.gone() {
		return 0 // it went while it was read
	}
	return uint64(high)<<32 | uint64(low)
}

// refresh has the statistics be of now. Of a port that is closed, or whose card
// does not answer, they are what they last were.
func (p *Port) refresh() error {
	switch {
	case p.closed, p.down:
		return nil
	case p.gone():
		return fmt.Errorf("e1000e: statistics of %s: %w", p, nicring.ErrRemoved)
	}
	p.count()
	return nil
}

// Stats implements nicring.Port. They are right however seldom one asks: the port
// looks after the card's counters, which stick at their maximum, by itself.
func (p *Port) Stats() (nicring.Stats, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.refresh()
	n := &p.counts
	s := nicring.Stats{
		RxPackets: n[nGPRC],
		TxPackets: n[nGPTC],
		RxBytes:   n[nGORC] - min(n[nGORC], crc*n[nGPRC]), // the last octets may have gone with the card
		TxBytes:   n[nGOTC] - min(n[nGOTC], crc*n[nGPTC]),
		RxMissed:  n[nMPC],
	}
	for i := nCRCERRS; i <= nRJC; i++ {
		s.RxErrors += n[i]
	}
	for _, q := range p.rx {
		s.RxDropped += q.dropped.Load()
	}
	for _, q := range p.tx {
		s.TxDropped += q.dropped.Load()
	}
	return s, err
}

// ExtendedStats implements nicring.Port. Octets are the card's: they include the
// CRC.
func (p *Port) ExtendedStats() (iter.Seq2[string, uint64], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.refresh()
	all := make([]stat, 0, len(cardCounters)+20)
	for i, c := range cardCounters {
		all = append(all, stat{c.name, p.counts[i]})
	}
	add := func(v uint64, format string, args ...any) {
		all = append(all, stat{fmt.Sprintf(format, args...), v})
	}
	for i, q := range p.rx {
		add(p.at(&q.turn, &q.packets), "rx_queue_%d_packets", i)
		add(q.dropped.Load(), "rx_queue_%d_dropped", i)
		add(uint64(q.watched.rung), "rx_queue_%d_doorbells_repeated", i)
	}
	for i, q := range p.tx {
		add(p.at(&q.turn, &q.sent), "tx_queue_%d_packets", i)
		add(q.dropped.Load(), "tx_queue_%d_dropped", i)
		add(uint64(q.watched.rung), "tx_queue_%d_doorbells_repeated", i)
	}
	taken, missed := p.line.interrupts()
	add(taken, "interrupts_taken")
	add(missed, "interrupts_missed")
	add(p.hangs.rx, "rx_hangs")
	add(p.hangs.tx, "tx_hangs")
	add(p.resets, "resets")
	return func(yield func(string, uint64) bool) {
		for _, s := range all {
			if !yield(s.name, s.value) {
				return
			}
		}
	}, err
}

// at reads what a queue counts. While the card is down the turns are the port's.
func (p *Port) at(t *turn, n *uint64) uint64 {
	if !p.down {
		t.seize(turnLooked)
		defer t.leave()
	}
	return *n
}

type stat struct {
	name  string
	value uint64
}
