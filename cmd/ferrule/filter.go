package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

const filterHelp = `A filter is made of these words, joined by and, or, not and parentheses:

  ip  ip6  arp  tcp  udp  icmp  icmp6         the protocol
  [src|dst] host ADDR      [src|dst] net CIDR
  [tcp|udp] [src|dst] port N
  ether [src|dst] host MAC      ether proto N
  vlan [ID]      what follows is looked for behind the tag
  less N  greater N       the length

They mean what they mean to tcpdump; for all that tcpdump knows, give its
compiled form: --filter-code <(tcpdump -ddd -y EN10MB 'tcp[13] & 2 != 0')`

// A filter looks at a frame and says how many bytes of it to keep: 0 for none.
type filter interface {
	Run(frame []byte) (int, error)
}

// everything is the filter that is left out.
type everything struct{}

func (everything) Run(frame []byte) (int, error) { return len(frame), nil }

// newFilter compiles an expression.
func newFilter(expression string) (filter, error) {
	if strings.TrimSpace(expression) == "" {
		return everything{}, nil
	}
	program, err := compileFilter(expression)
	if err != nil {
		return nil, fmt.Errorf("capture: --filter %q: %w", expression, err)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		return nil, fmt.Errorf("capture: --filter %q: %w", expression, err)
	}
	return vm, nil
}

// readFilterCode reads what tcpdump -ddd prints: the number of instructions, and
// in a line each code, jt, jf and k.
func readFilterCode(name string) (filter, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("capture: --filter-code: %w", err)
	}
	vm, err := parseFilterCode(string(text))
	if err != nil {
		return nil, fmt.Errorf("capture: --filter-code %s: %w", name, err)
	}
	return vm, nil
}

func parseFilterCode(text string) (filter, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if n, err := strconv.Atoi(strings.TrimSpace(lines[0])); err != nil || n != len(lines)-1 {
		return nil, errors.New("its first line is not the number of those that follow (want what tcpdump -ddd prints)")
	}
	var program []bpf.Instruction
	for i, line := range lines[1:] {
		var raw bpf.RawInstruction
		if _, err := fmt.Sscan(line, &raw.Op, &raw.Jt, &raw.Jf, &raw.K); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		program = append(program, raw.Disassemble())
	}
	return bpf.NewVM(program)
}

// compileFilter makes a program of an expression.
func compileFilter(expression string) ([]bpf.Instruction, error) {
	p := parser{words: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ", "!", " ! ").Replace(expression))}
	t, err := p.or()
	if err == nil && p.at < len(p.words) {
		err = fmt.Errorf("%q is not expected after %q", p.words[p.at], strings.Join(p.words[:p.at], " "))
	}
	if err != nil {
		return nil, err
	}
	var g codegen
	reject := g.emit(bpf.RetConstant{Val: 0})
	accept := g.emit(bpf.RetConstant{Val: 1 << 18})
	t(&g, accept, reject)
	return g.program()
}

// A test emits code that jumps to yes or to no. It is emitted from the end to the
// beginning, so that both are known, and control enters it at what was emitted
// last.
type test func(g *codegen, yes, no place)

// A place is that of an instruction, counted from the end of the program.
type place int

type codegen struct {
	backwards []bpf.Instruction
	err       error
}

func (g *codegen) emit(i bpf.Instruction) place {
	g.backwards = append(g.backwards, i)
	return place(len(g.backwards) - 1)
}

// compare emits a comparison of what is loaded.
func (g *codegen) compare(cond bpf.JumpTest, value uint32, yes, no place) {
	at := place(len(g.backwards)) // of the comparison
	if yes < at-256 || no < at-256 {
		g.err = errors.New("it is too long (--filter-code takes longer ones)")
	}
	g.emit(bpf.JumpIf{Cond: cond, Val: value, SkipTrue: uint8(at - yes - 1), SkipFalse: uint8(at - no - 1)})
}

// top is the place at which control enters what was emitted so far.
func (g *codegen) top() place { return place(len(g.backwards) - 1) }

func (g *codegen) program() ([]bpf.Instruction, error) {
	if g.err != nil {
		return nil, g.err
	}
	forwards := make([]bpf.Instruction, 0, len(g.backwards))
	for i := len(g.backwards) - 1; i >= 0; i-- {
		forwards = append(forwards, g.backwards[i])
	}
	return forwards, nil
}

func both(a, b test) test {
	return func(g *codegen, yes, no place) {
		b(g, yes, no)
		a(g, g.top(), no)
	}
}

func either(a, b test) test {
	return func(g *codegen, yes, no place) {
		b(g, yes, no)
		a(g, yes, g.top())
	}
}

func negate(a test) test { return func(g *codegen, yes, no place) { a(g, no, yes) } }

// field tests a field of 1, 2 or 4 bytes: that it is value, looked at through a
// mask. A frame that ends before it is rejected, as by tcpdump.
func field(offset, size int, mask, value uint32) test {
	return func(g *codegen, yes, no place) {
		g.compare(bpf.JumpEqual, value, yes, no)
		if mask != 1<<(8*size)-1 {
			g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
		}
		g.emit(bpf.LoadAbsolute{Off: uint32(offset), Size: size})
	}
}

// bytesAt tests that the bytes from offset on are those of value, as far as the
// first bits go.
func bytesAt(offset int, value []byte, bits int) test {
	var all test
	for len(value) > 0 && bits > 0 {
		size := 4
		if len(value) < 4 {
			size = 2
		}
		n := min(bits, 8*size)
		mask := uint32(uint64(1)<<(8*size) - uint64(1)<<(8*size-n))
		word := uint32(binary.BigEndian.Uint16(value))
		if size == 4 {
			word = binary.BigEndian.Uint32(value)
		}
		t := field(offset, size, mask, word&mask)
		if all == nil {
			all = t
		} else {
			all = both(all, t)
		}
		offset, value, bits = offset+size, value[size:], bits-n
	}
	if all == nil { // not one bit
		return func(g *codegen, yes, _ place) { g.emit(bpf.Jump{Skip: uint32(g.top() - yes)}) }
	}
	return all
}

// A parser reads an expression. Each method reads what it is named after.
type parser struct {
	words []string
	at    int
	tags  int // bytes of the VLAN tags that what follows is behind
}

func (p *parser) or() (test, error) {
	t, err := p.and()
	for err == nil && p.accept("or", "||") {
		var u test
		if u, err = p.and(); err == nil {
			t = either(t, u)
		}
	}
	return t, err
}

func (p *parser) and() (test, error) {
	t, err := p.not()
	for err == nil && p.accept("and", "&&") {
		var u test
		if u, err = p.not(); err == nil {
			t = both(t, u)
		}
	}
	return t, err
}

func (p *parser) not() (test, error) {
	if p.accept("not", "!") {
		t, err := p.not()
		if err != nil {
			return nil, err
		}
		return negate(t), nil
	}
	if p.accept("(") {
		t, err := p.or()
		if err == nil && !p.accept(")") {
			err = errors.New("a ) is missing")
		}
		return t, err
	}
	return p.primitive()
}

func (p *parser) accept(words ...string) bool {
	for _, w := range words {
		if p.at < len(p.words) && p.words[p.at] == w {
			p.at++
			return true
		}
	}
	return false
}

// word takes the next word, which is to be what.
func (p *parser) word(what string) (string, error) {
	if p.at == len(p.words) {
		return "", fmt.Errorf("it ends where %s is expected", what)
	}
	p.at++
	return p.words[p.at-1], nil
}

func (p *parser) number(what string, most uint64) (uint32, error) {
	w, err := p.word(what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(w, 0, 32)
	if err != nil || n > most {
		return 0, fmt.Errorf("%q is no %s", w, what)
	}
	return uint32(n), nil
}

// A side is which of two addresses or ports a word is about.
type side string

const (
	anySide side = ""
	srcSide side = "src"
	dstSide side = "dst"
)

// on tests the source, the destination, or either.
func (s side) on(src, dst test) test {
	switch s {
	case srcSide:
		return src
	case dstSide:
		return dst
	}
	return either(src, dst)
}

func (p *parser) side() side {
	switch {
	case p.accept("src"):
		return srcSide
	case p.accept("dst"):
		return dstSide
	}
	return anySide
}

func (p *parser) etherType(value uint32) test { return field(12+p.tags, 2, 0xFFFF, value) }

func (p *parser) ip4() test { return p.etherType(0x0800) }
func (p *parser) ip6() test { return p.etherType(0x86DD) }

// transport tests a protocol of the transport layer. Behind IPv6's extension
// headers it is not found.
func (p *parser) transport(number uint32) test {
	return either(p.transport4(number), p.transport6(number))
}

func (p *parser) transport4(number uint32) test {
	return both(p.ip4(), field(14+p.tags+9, 1, 0xFF, number))
}

func (p *parser) transport6(number uint32) test {
	return both(p.ip6(), field(14+p.tags+6, 1, 0xFF, number))
}

const protoICMP, protoTCP, protoUDP, protoICMP6 = 1, 6, 17, 58

func (p *parser) primitive() (test, error) {
	w, err := p.word("a condition")
	if err != nil {
		return nil, err
	}
	switch w {
	case "ip":
		return p.ip4(), nil
	case "ip6":
		return p.ip6(), nil
	case "arp":
		return p.etherType(0x0806), nil
	case "icmp":
		return p.transport4(protoICMP), nil
	case "icmp6":
		return p.transport6(protoICMP6), nil
	case "tcp", "udp":
		return p.tcpOrUDP(map[string]uint32{"tcp": protoTCP, "udp": protoUDP}[w])
	case "ether":
		return p.ether()
	case "vlan":
		return p.vlan()
	case "less", "greater":
		return p.length(w)
	case "src", "dst", "host", "net", "port":
		p.at--
		return p.addressed(p.transport(protoTCP), p.transport(protoUDP))
	}
	return nil, fmt.Errorf("%q is no condition (see: ferrule capture --help)", w)
}

// tcpOrUDP reads what may follow tcp or udp.
func (p *parser) tcpOrUDP(number uint32) (test, error) {
	if p.at < len(p.words) {
		switch p.words[p.at] {
		case "src", "dst", "port":
			return p.addressed(p.transport(number))
		}
	}
	return p.transport(number), nil
}

// addressed reads [src|dst] host, net or port. A port is one of the transports.
func (p *parser) addressed(transports ...test) (test, error) {
	s := p.side()
	what, err := p.word("host, net or port")
	if err != nil {
		return nil, err
	}
	switch what {
	case "host", "net":
		w, err := p.word("an address")
		if err != nil {
			return nil, err
		}
		prefix, err := parsePrefix(what, w)
		if err != nil {
			return nil, err
		}
		return p.net(s, prefix), nil
	case "port":
		number, err := p.number("port", 0xFFFF)
		if err != nil {
			return nil, err
		}
		of := transports[0]
		for _, t := range transports[1:] {
			of = either(of, t)
		}
		return both(of, p.port(s, number)), nil
	}
	return nil, fmt.Errorf("%q is neither host nor net nor port", what)
}

func parsePrefix(what, text string) (netip.Prefix, error) {
	if what == "net" {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return prefix, fmt.Errorf("%q is no net, as 192.0.2.0/24", text)
		}
		if prefix != prefix.Masked() {
			return prefix, fmt.Errorf("%q has bits set behind its length (%s has none)", text, prefix.Masked())
		}
		return prefix, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no IP address", text)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// net tests addresses; those of IPv4 in ARP, too, as tcpdump does.
func (p *parser) net(s side, prefix netip.Prefix) test {
	value, bits := prefix.Addr().AsSlice(), prefix.Bits()
	at := func(src, dst int) test {
		return s.on(bytesAt(14+p.tags+src, value, bits), bytesAt(14+p.tags+dst, value, bits))
	}
	if prefix.Addr().Is4() {
		return either(both(p.ip4(), at(12, 16)), both(p.etherType(0x0806), at(14, 24)))
	}
	return both(p.ip6(), at(8, 24))
}

// port tests the ports of what is known to be TCP or UDP. A fragment has none,
// unless it is the first.
func (p *parser) port(s side, number uint32) test {
	base := 14 + p.tags
	behind := func(offset int) test { // an IPv4 header, however long
		return func(g *codegen, yes, no place) {
			g.compare(bpf.JumpEqual, number, yes, no)
			g.emit(bpf.LoadIndirect{Off: uint32(base + offset), Size: 2})
			g.emit(bpf.LoadMemShift{Off: uint32(base)})
		}
	}
	whole := field(base+6, 2, 0x1FFF, 0)
	four := both(both(p.ip4(), whole), s.on(behind(0), behind(2)))
	six := both(p.ip6(), s.on(field(base+40, 2, 0xFFFF, number), field(base+42, 2, 0xFFFF, number)))
	return either(four, six)
}

func (p *parser) ether() (test, error) {
	if p.accept("proto") {
		n, err := p.number("EtherType", 0xFFFF)
		return p.etherType(n), err
	}
	s := p.side()
	if !p.accept("host") {
		return nil, errors.New("after ether comes host or proto")
	}
	w, err := p.word("an Ethernet address")
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(w)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("%q is no Ethernet address", w)
	}
	return s.on(bytesAt(6, mac, 48), bytesAt(0, mac, 48)), nil
}

// vlan tests for a tag, and has what follows look behind it.
func (p *parser) vlan() (test, error) {
	t := either(p.etherType(0x8100), p.etherType(0x88A8))
	if p.at < len(p.words) {
		if _, err := strconv.ParseUint(p.words[p.at], 0, 32); err == nil {
			id, err := p.number("VLAN identifier", 0xFFF)
			if err != nil {
				return nil, err
			}
			t = both(t, field(14+p.tags, 2, 0xFFF, id))
		}
	}
	p.tags += 4
	return t, nil
}

func (p *parser) length(word string) (test, error) {
	n, err := p.number("length", 1<<18)
	cond := bpf.JumpLessOrEqual
	if word == "greater" {
		cond = bpf.JumpGreaterOrEqual
	}
	return func(g *codegen, yes, no place) {
		g.compare(cond, n, yes, no)
		g.emit(bpf.LoadExtension{Num: bpf.ExtLen})
	}, err
}
