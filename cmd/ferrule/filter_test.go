package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/require"
)

var (
	macA = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0xA}
	macB = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0xB}
)

// packet serializes layers behind an Ethernet header from A to B.
func packet(t *testing.T, ether layers.EthernetType, above ...gopacket.SerializableLayer) []byte {
	out := gopacket.NewSerializeBuffer()
	all := append([]gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: ether}}, above...)
	require.NoError(t, gopacket.SerializeLayers(out, gopacket.SerializeOptions{FixLengths: true}, all...))
	frame := make([]byte, max(60, len(out.Bytes())))
	copy(frame, out.Bytes())
	return frame
}

func ip4(protocol layers.IPProtocol, options int) *layers.IPv4 {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{198, 51, 100, 7}}
	for range options {
		ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 1})
	}
	return ip
}

func ip6(protocol layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: net.ParseIP("2001:db8::1"), DstIP: net.ParseIP("2001:db8:1::2")}
}

func filterFrames(t *testing.T) map[string][]byte {
	tcp, udp := &layers.TCP{SrcPort: 40000, DstPort: 443, DataOffset: 5}, &layers.UDP{SrcPort: 53, DstPort: 5353}
	tag := func(id uint16, next layers.EthernetType) *layers.Dot1Q {
		return &layers.Dot1Q{VLANIdentifier: id, Priority: 5, Type: next}
	}
	fragment := ip4(layers.IPProtocolTCP, 0)
	fragment.FragOffset = 100
	return map[string][]byte{
		"tcp4":     packet(t, layers.EthernetTypeIPv4, ip4(layers.IPProtocolTCP, 0), tcp),
		"options":  packet(t, layers.EthernetTypeIPv4, ip4(layers.IPProtocolTCP, 8), tcp),
		"fragment": packet(t, layers.EthernetTypeIPv4, fragment, tcp),
		"udp4":     packet(t, layers.EthernetTypeIPv4, ip4(layers.IPProtocolUDP, 0), udp),
		"icmp4":    packet(t, layers.EthernetTypeIPv4, ip4(layers.IPProtocolICMPv4, 0), gopacket.Payload(make([]byte, 400))),
		"tcp6":     packet(t, layers.EthernetTypeIPv6, ip6(layers.IPProtocolTCP), tcp),
		"udp6":     packet(t, layers.EthernetTypeIPv6, ip6(layers.IPProtocolUDP), udp),
		"icmp6":    packet(t, layers.EthernetTypeIPv6, ip6(layers.IPProtocolICMPv6), gopacket.Payload(make([]byte, 8))),
		"arp": packet(t, layers.EthernetTypeARP, &layers.ARP{AddrType: 1, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
			SourceHwAddress: macA, SourceProtAddress: []byte{192, 0, 2, 1}, DstHwAddress: make([]byte, 6), DstProtAddress: []byte{203, 0, 113, 1}}),
		"vlan7":   packet(t, layers.EthernetTypeDot1Q, tag(7, layers.EthernetTypeIPv4), ip4(layers.IPProtocolUDP, 0), udp),
		"qinq":    packet(t, layers.EthernetTypeQinQ, tag(9, layers.EthernetTypeDot1Q), tag(7, layers.EthernetTypeIPv4), ip4(layers.IPProtocolTCP, 0), tcp),
		"foreign": slices.Concat(macA, macB, []byte{0x88, 0xB5}, make([]byte, 46)),
	}
}

func TestFilters(t *testing.T) {
	frames := filterFrames(t)
	for expression, want := range map[string]string{
		"":                                 "arp foreign fragment icmp4 icmp6 options qinq tcp4 tcp6 udp4 udp6 vlan7",
		"ip":                               "fragment icmp4 options tcp4 udp4",
		"ip6":                              "icmp6 tcp6 udp6",
		"arp":                              "arp",
		"tcp":                              "fragment options tcp4 tcp6",
		"udp":                              "udp4 udp6",
		"icmp":                             "icmp4",
		"icmp6":                            "icmp6",
		"not ip and not ip6":               "arp foreign qinq vlan7",
		"!(ip or ip6)":                     "arp foreign qinq vlan7",
		"! ip && ! ip6":                    "arp foreign qinq vlan7",
		"arp or icmp || icmp6":             "arp icmp4 icmp6",
		"icmp or arp and ip":               "icmp4",
		"(icmp or arp) and ip":             "icmp4",
		"not not arp":                      "arp",
		"port 443":                         "options tcp4 tcp6",
		"src port 443":                     "",
		"dst port 443":                     "options tcp4 tcp6",
		"port 53":                          "udp4 udp6",
		"tcp port 53":                      "",
		"udp src port 53":                  "udp4 udp6",
		"udp dst port 0x14e9":              "udp4 udp6",
		"tcp and not port 443":             "fragment",
		"host 192.0.2.1":                   "arp fragment icmp4 options tcp4 udp4",
		"dst host 192.0.2.1":               "",
		"src host 192.0.2.1":               "arp fragment icmp4 options tcp4 udp4",
		"dst host 203.0.113.1":             "arp",
		"net 198.51.100.0/24":              "fragment icmp4 options tcp4 udp4",
		"net 198.51.100.8/29":              "",
		"net 192.0.2.0/31 and udp":         "udp4",
		"ip and net 0.0.0.0/0":             "fragment icmp4 options tcp4 udp4",
		"host 2001:db8::1":                 "icmp6 tcp6 udp6",
		"dst host 2001:db8::1":             "",
		"dst net 2001:db8:1::/48":          "icmp6 tcp6 udp6",
		"dst net 2001:db8:2::/47":          "",
		"net 2001:db8::/33":                "icmp6 tcp6 udp6",
		"src net 2001:db8:0:0:8000::/65":   "",
		"ether src host 52:54:00:00:00:0b": "foreign",
		"ether dst host 52:54:00:00:00:0b and arp": "arp",
		"ether host 52:54:00:00:00:0c":             "",
		"ether proto 0x88B5":                       "foreign",
		"vlan":                                     "qinq vlan7",
		"vlan 7":                                   "vlan7",
		"vlan 9":                                   "qinq",
		"vlan and udp port 53":                     "vlan7",
		"vlan 9 and vlan 7 and tcp port 443":       "qinq",
		"vlan 7 and vlan 9":                        "",
		"udp or vlan and udp":                      "udp4 udp6 vlan7",
		"less 60":                                  "arp foreign fragment tcp4 udp4 vlan7",
		"greater 435":                              "",
		"greater 434 or less 0":                    "icmp4",
	} {
		f, err := newFilter(expression)
		require.NoError(t, err)
		var got []string
		for name := range frames {
			keep, err := f.Run(frames[name])
			require.NoError(t, err)
			if keep > 0 {
				require.GreaterOrEqual(t, keep, len(frames[name]))
				got = append(got, name)
			}
		}
		require.ElementsMatch(t, strings.Fields(want), got, expression)
	}
}

func TestFiltersThatMakeNoSense(t *testing.T) {
	for expression, want := range map[string]string{
		"tpc":                                    `"tpc" is no condition (see: ferrule capture --help)`,
		"ip and":                                 "it ends where a condition is expected",
		"(ip":                                    "a ) is missing",
		"ip)":                                    `")" is not expected after "ip"`,
		"ip ip6":                                 `"ip6" is not expected after "ip"`,
		"port":                                   "it ends where port is expected",
		"port 65536":                             `"65536" is no port`,
		"port http":                              `"http" is no port`,
		"src":                                    "it ends where host, net or port is expected",
		"src ip":                                 `"ip" is neither host nor net nor port`,
		"host example.org":                       `"example.org" is no IP address`,
		"net 192.0.2.1":                          `"192.0.2.1" is no net, as 192.0.2.0/24`,
		"net 192.0.2.1/24":                       `"192.0.2.1/24" has bits set behind its length (192.0.2.0/24 has none)`,
		"ether":                                  "after ether comes host or proto",
		"ether host 52:54":                       `"52:54" is no Ethernet address`,
		"vlan 4096":                              `"4096" is no VLAN identifier`,
		"less":                                   "it ends where length is expected",
		"ether proto 0x10000":                    `"0x10000" is no EtherType`,
		strings.Repeat("port 1 or ", 300) + "ip": "it is too long (--filter-code takes longer ones)",
	} {
		_, err := newFilter(expression)
		require.ErrorContains(t, err, want, expression)
		require.ErrorContains(t, err, "capture: --filter ")
	}
}

// TestFilterCode takes what tcpdump -ddd -y EN10MB prints for "ip", snap length
// 262144.
func TestFilterCode(t *testing.T) {
	frames := filterFrames(t)
	name := filepath.Join(t.TempDir(), "code")
	require.NoError(t, os.WriteFile(name, []byte("4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n"), 0o600))
	f, err := readFilterCode(name)
	require.NoError(t, err)
	keep, err := f.Run(frames["udp4"])
	require.NoError(t, err)
	require.Positive(t, keep)
	keep, err = f.Run(frames["arp"])
	require.NoError(t, err)
	require.Zero(t, keep)

	for text, want := range map[string]string{
		"":                  "its first line is not the number",
		"2\n6 0 0 0\n":      "its first line is not the number",
		"1\n6 0 0 x\n":      "line 2: ",
		"1\n40 0 0 12\n":    "",
		"1\n21 9 9 2048\n":  "",
		"1\n65535 0 0 12\n": "",
	} {
		_, err := parseFilterCode(text)
		require.ErrorContains(t, err, want, text)
	}
	_, err = readFilterCode(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "no such file")
}

// FuzzFilter wants every expression that compiles to run on any frame.
func FuzzFilter(f *testing.F) {
	f.Add("tcp port 443 and net 192.0.2.0/24 or vlan 7", []byte("frame"))
	f.Add("not (src net ::/0) or greater 3", make([]byte, 60))
	f.Fuzz(func(t *testing.T, expression string, frame []byte) {
		c, err := newFilter(expression)
		if err != nil {
			return
		}
		if _, err := c.Run(frame); err != nil {
			t.Fatal(err)
		}
	})
}
