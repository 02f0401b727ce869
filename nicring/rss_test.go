package nicring_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
)

// vectors are Microsoft's, from Verifying the RSS Hash Calculation.
var vectors = []struct {
	dst, src   string // address and port
	plain, tcp uint32
}{
	{"161.142.100.80:1766", "66.9.149.187:2794", 0x323e8fc2, 0x51ccc178},
	{"65.69.140.83:4739", "199.92.111.2:14230", 0xd718262a, 0xc626b0ea},
	{"12.22.207.184:38024", "24.19.198.95:12898", 0xd2d0a5de, 0x5c2b394a},
	{"209.142.163.6:2217", "38.27.205.30:48228", 0x82989176, 0xafc7327f},
	{"202.188.127.2:1303", "153.39.163.191:44251", 0x5d1809c5, 0x10e828a2},
	{"[3ffe:2501:200:3::1]:1766", "[3ffe:2501:200:1fff::7]:2794", 0x2cc18cd5, 0x40207d3d},
	{"[ff02::1]:4739", "[3ffe:501:8::260:97ff:fe40:efab]:14230", 0x0f0c461c, 0xdde51bbf},
	{"[fe80::200:f8ff:fe21:67cf]:38024", "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", 0x4b61e985, 0x02d1feef},
}

const tcp, udp = 6, 17

// packet makes a frame of a tuple with so many bytes of options before the ports.
func packet(src, dst netip.AddrPort, protocol byte, vlan bool, options int) []byte {
	f := make([]byte, 12, 128)
	if vlan {
		f = append(f, 0x81, 0, 0, 7)
	}
	if src.Addr().Is4() {
		f = append(f, 0x08, 0, byte(0x45+options/4), 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0)
	} else {
		f = append(f, 0x86, 0xDD, 0x60, 0, 0, 0, 0, 0, protocol, 64)
	}
	f = append(f, src.Addr().AsSlice()...)
	f = append(f, dst.Addr().AsSlice()...)
	f = append(f, make([]byte, options)...)
	f = binary.BigEndian.AppendUint16(f, src.Port())
	f = binary.BigEndian.AppendUint16(f, dst.Port())
	return f[:max(len(f), 60)]
}

var everyFlow = nicring.NewRSS(1).Hashes

func TestToeplitzVectors(t *testing.T) {
	hash := nicring.NewToeplitz(nicring.MicrosoftKey)
	for _, v := range vectors {
		src, dst := netip.MustParseAddrPort(v.src), netip.MustParseAddrPort(v.dst)
		plain, connection := nicring.FlowIPv6, nicring.FlowTCP6
		options := []int{0}
		if src.Addr().Is4() {
			plain, connection = nicring.FlowIPv4, nicring.FlowTCP4
			options = []int{0, 4, 40}
		}
		check := func(want uint32, flow nicring.Flow, frame []byte, kinds nicring.FlowSet) {
			t.Helper()
			got, by := hash.Frame(frame, kinds)
			require.Equal(t, flow, by, v.src)
			require.Equal(t, want, got, "%s: %#x", v.src, got)
		}
		for _, n := range options {
			for _, vlan := range []bool{false, true} {
				check(v.tcp, connection, packet(src, dst, tcp, vlan, n), everyFlow)
				check(v.plain, plain, packet(src, dst, udp, vlan, n), everyFlow)
				check(v.plain, plain, packet(src, dst, tcp, vlan, n), everyFlow&^connection.Set())
				check(0, nicring.FlowNone, packet(src, dst, udp, vlan, n), connection.Set())
			}
		}
	}
}

// TestFragmentsHaveNoPorts: every fragment of a packet comes to one queue.
func TestFragmentsHaveNoPorts(t *testing.T) {
	hash := nicring.NewToeplitz(nicring.MicrosoftKey)
	v := vectors[0]
	f := packet(netip.MustParseAddrPort(v.src), netip.MustParseAddrPort(v.dst), tcp, false, 0)
	for _, fragment := range []uint16{1 << 13, 1, 1<<13 | 185} { // the first, the last, one between
		binary.BigEndian.PutUint16(f[20:], fragment)
		got, by := hash.Frame(f, everyFlow)
		require.Equal(t, nicring.FlowIPv4, by)
		require.Equal(t, v.plain, got)
	}
}

func TestSymmetricKey(t *testing.T) {
	hash := nicring.NewToeplitz(nicring.SymmetricKey)
	for _, v := range vectors {
		src, dst := netip.MustParseAddrPort(v.src), netip.MustParseAddrPort(v.dst)
		there, _ := hash.Frame(packet(src, dst, tcp, false, 0), everyFlow)
		back, _ := hash.Frame(packet(dst, src, tcp, false, 0), everyFlow)
		require.Equal(t, there, back)
		require.NotZero(t, there)
	}
}

// TestFrameOfAnything cuts frames short everywhere and spoils them: no length in
// them is followed beyond their end.
func TestFrameOfAnything(t *testing.T) {
	hash := nicring.NewToeplitz(nicring.MicrosoftKey)
	random := rand.New(rand.NewPCG(1, 2))
	hashed := 0
	for _, v := range vectors {
		src, dst := netip.MustParseAddrPort(v.src), netip.MustParseAddrPort(v.dst)
		f := packet(src, dst, tcp, true, 0)
		for n := range len(f) {
			for range 100 {
				g := append([]byte(nil), f[:n:n]...)
				if n > 0 {
					g[random.IntN(n)] = byte(random.Uint32())
				}
				if _, by := hash.Frame(g, everyFlow); by != nicring.FlowNone {
					hashed++
				}
			}
		}
	}
	require.NotZero(t, hashed)
	require.Panics(t, func() { hash.Hash(make([]byte, 37)) })
}

func TestNewRSSRefuses(t *testing.T) {
	for _, queues := range []int{-1, 0, 129} {
		require.PanicsWithValue(t, fmt.Sprintf("nicring: RSS over %d queues: want 1 to 128", queues), func() { nicring.NewRSS(queues) })
	}
}

func TestNewRSSIsFair(t *testing.T) {
	var share [2]int
	for _, queue := range nicring.NewRSS(2).Table {
		share[queue]++
	}
	require.Equal(t, [2]int{64, 64}, share)
}

func BenchmarkToeplitz(b *testing.B) {
	hash := nicring.NewToeplitz(nicring.MicrosoftKey)
	v := vectors[0]
	f := packet(netip.MustParseAddrPort(v.src), netip.MustParseAddrPort(v.dst), tcp, false, 0)
	for b.Loop() {
		if got, _ := hash.Frame(f, everyFlow); got != v.tcp {
			b.Fatal(got)
		}
	}
}
