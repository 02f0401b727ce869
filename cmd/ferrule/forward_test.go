package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"nonsense":                               `unknown command "nonsense" for "ferrule"`,
		"devices all":                            `unknown command "all" for "ferrule devices"`,
		"version --jason":                        "unknown flag: --jason",
		"bind":                                   "bind: no address given (see: ferrule devices)",
		"unbind":                                 "unbind: no address given (see: ferrule devices)",
		"forward 0000:03:00.0":                   "forward: got 1 addresses, want two, or none for the demonstration",
		"forward 03:00.0 04:00.0 05:00.0":        "forward: got 3 addresses, want two, or none for the demonstration",
		"forward 03:00.0 03:00.0":                "forward: 03:00.0 twice: want two cards",
		"forward --duration=-1s":                 "forward: --duration -1s: want a positive one, or 0 for no end",
		"forward --burst 0":                      "forward: --burst 0: want 1 to 256",
		"forward --burst 257":                    "forward: --burst 257: want 1 to 256",
		"forward --size 59":                      "forward: --size 59: want 60 to 1514",
		"forward --size 1515":                    "forward: --size 1515: want 60 to 1514",
		"forward --ring 4":                       "forward: --ring 4: want a power of two from 8 to 32768",
		"forward --ring 100":                     "forward: --ring 100: want a power of two from 8 to 32768",
		"forward --ring 65536":                   "forward: --ring 65536: want a power of two from 8 to 32768",
		"forward --buffers 4639":                 "forward: --buffers 4639: want 4640, for the rings and the workers, to 1048576",
		"forward --pipeline --buffers 4640":      "forward: --buffers 4640: want 7296, for the rings and the workers, to 1048576",
		"forward --buffers 1048577":              "forward: --buffers 1048577: want 4640, for the rings and the workers, to 1048576",
		"forward --tx-first 8":                   "forward: --tx-first needs two cards: the demonstration has its own traffic",
		"forward --tx-first=-1 03:00.0 04:00.0":  "forward: --tx-first -1: want 0 to 512, half a ring",
		"forward --tx-first 513 03:00.0 04:00.0": "forward: --tx-first 513: want 0 to 512, half a ring",

		"forward --busy=-1s":             "forward: --busy -1s: want a positive one, or 0 for no polling",
		"forward --max-frame 1517":       "forward: --max-frame 1517: want 1518 to 9230",
		"forward --max-frame 9231":       "forward: --max-frame 9231: want 1518 to 9230",
		"forward --vlan 1,4095":          "forward: --vlan 4095: want 0 to 4094",
		"forward --queues 3":             "forward: --queues 3: want 1 or 2",
		"forward --workers 3":            "forward: --workers 3: want 1 to 2, two for each of --queues",
		"forward --workers 2 --pipeline": "forward: --workers with --pipeline, which has workers of its own: want one of them",

		"generate a b c":                    "generate: got 3 addresses, want one, two, or none for the demonstration",
		"generate a a":                      "generate: a twice: want two cards",
		"generate a":                        "generate: no --to-mac: want the Ethernet address to send to, or a second card that receives",
		"generate a --to-mac 52:54":         "generate: --to-mac 52:54: want an address as 52:54:00:12:34:56",
		"generate --to ::1":                 "generate: --to ::1: want an IPv4 address",
		"generate --from x":                 "generate: --from x: want an IPv4 address",
		"generate --flows 0":                "generate: --flows 0: want 1 to 65536",
		"generate --flows 65537":            "generate: --flows 65537: want 1 to 65536",
		"generate --burst 0":                "generate: --burst 0: want 1 to 256",
		"generate --ring 9":                 "generate: --ring 9: want a power of two from 8 to 32768",
		"generate --duration=-1s":           "generate: --duration -1s: want a positive one, or 0 for no end",
		"generate --rate recorded":          "generate: --rate recorded: want --pcap with it, which says what was recorded",
		"generate --rate soon":              `invalid argument "soon" for "--rate" flag: want frames a second, as 5000, 100k or 1.2M, or max, or with --pcap recorded`,
		"generate --size 12":                `invalid argument "12" for "--size" flag: want bytes without FCS from 60 to 9216, several with commas, or imix`,
		"capture":                           "capture: no --write: want a file, or - for standard output",
		"capture a b":                       "capture: got 2 addresses, want one, or none for the demonstration",
		"capture -w - --rotate-size 1M":     "capture: standard output is one file: want --write FILE to rotate",
		"capture -w f --files 3":            "capture: --files 3: want one of --rotate-size, --rotate-time and --rotate-count with it",
		"capture -w f --snaplen 13":         "capture: --snaplen 13: want 14 to 9230",
		"capture -w f --ring 7":             "capture: --ring 7: want a power of two from 8 to 32768",
		"capture -w f --rotate-size much":   `invalid argument "much" for "--rotate-size" flag: want bytes, as 500k, 100M or 1G`,
		"capture -w f --rotate-time=-1s":    "capture: --rotate-time -1s: want a positive one",
		"capture -w f --duration=-1s":       "capture: --duration -1s: want a positive one, or 0 for no end",
		"capture -w f --filter x":           `capture: --filter "x": "x" is no condition (see: ferrule capture --help)`,
		"capture -w f --filter-code /x":     "capture: --filter-code: open /x: no such file or directory",
		"generate --pcap /nowhere/t.pcapng": "generate: --pcap: open /nowhere/t.pcapng: no such file or directory",
	} {
		root := newRoot()
		root.SetArgs(strings.Fields(line))
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		require.EqualError(t, root.Execute(), want, line)
	}
}

// TestBadAddresses leaves the reason to the package that looks for the card.
func TestBadAddresses(t *testing.T) {
	for _, line := range []string{"forward here there", "bind here", "unbind here"} {
		root := newRoot()
		root.SetArgs(strings.Fields(line))
		root.SetOut(io.Discard)
		err := root.Execute()
		require.ErrorContains(t, err, "uio: ", line)
		require.ErrorContains(t, err, " here: ", line)
	}
}

// TestMemoryHoldsWhatIsNeeded opens all there is to open, at both ends of what
// the flags allow.
func TestMemoryHoldsWhatIsNeeded(t *testing.T) {
	for _, set := range []func(*forwardOptions){
		func(o *forwardOptions) { o.ring, o.burst = 8, 1 },
		func(o *forwardOptions) { o.ring, o.pipeline = 8, true },
		func(o *forwardOptions) { o.ring, o.burst, o.pipeline = 8192, 256, true },
		func(o *forwardOptions) { o.ring, o.burst, o.pipeline, o.maxFrame = 64, 256, true, 9230 },
		func(o *forwardOptions) { o.buffers = 963 * 3 },
		func(o *forwardOptions) { o.buffers = 963*4 - 1 },
	} {
		newBench(t, options(t, nil, set)).close(t)
	}
}
