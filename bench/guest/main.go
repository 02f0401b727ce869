// Guest runs in a virtual machine with two emulated cards and a wire between
// them, and has programs forward frames from each card to the other, round and
// round. Without arguments it lists what can do that here, a shape and a name a
// line. With the argument serve it does what it is told, a line each:
//
//	start IMPL CASE   begins, and answers "running" when frames go round
//	count             answers how many frames the cards have sent and received since the last count
//	stop              ends what was started, and answers "stopped"
//
// It takes no time: the clock of a guest whose processors are emulated, on a host
// that does other things, is nothing to measure by. Who asks has a clock.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// addresses are those that ferrule-vm gives its first two cards.
var addresses = [2]string{"0000:00:10.0", "0000:00:11.0"}

// A forwarder is a program's command line, with names where it depends on the case.
type forwarder struct{ impl, command string }

var forwarders = []forwarder{
	{"ferrule.forward", "ferrule forward --json --size {size} --burst {burst} --ring {ring} --tx-first {burst} {a} {b}"},
	{"dpdk.testpmd", "dpdk-testpmd -l 0,1 -n 1 -a {a} -a {b} --iova-mode=pa --in-memory -- --forward-mode=io --tx-first" +
		" --txpkts={size} --burst={burst} --rxd={ring} --txd={ring} --total-num-mbufs=8192 --nb-cores=1"},
}

func (f forwarder) program() string {
	program, _, _ := strings.Cut(f.command, " ")
	return program
}

// words returns the command line for a case.
func (f forwarder) words(c string) []string {
	values := []string{"{a}", addresses[0], "{b}", addresses[1]}
	for _, pair := range strings.Split(c, "/")[1:] {
		key, value, _ := strings.Cut(pair, "=")
		values = append(values, "{"+key+"}", value)
	}
	return strings.Fields(strings.NewReplacer(values...).Replace(f.command))
}

func main() {
	if len(os.Args) == 1 {
		for _, f := range forwarders {
			// ferrule-vm brings the newest ferrule along.
			if _, err := exec.LookPath(f.program()); err == nil || f.program() == "ferrule" {
				fmt.Println("Forward", f.impl)
			}
		}
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	if text, err := exec.Command("ferrule", "bind", addresses[0], addresses[1]).CombinedOutput(); err != nil {
		return fmt.Errorf("bind the cards: %w: %s", err, text)
	}
	var cards [2]counters
	for i, address := range addresses {
		var err error
		if cards[i], err = openCounters(address); err != nil {
			return err
		}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s %s\n", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]))
	var now *running
	for lines := bufio.NewScanner(in); lines.Scan(); {
		answer, err := "", error(nil)
		switch words := strings.Fields(lines.Text()); words[0] {
		case "start":
			if now, err = start(words[1], words[2], cards); err == nil {
				answer = "running"
			}
		case "count":
			sent, received := count(cards)
			answer = fmt.Sprintf("%d %d", sent, received)
		case "stop":
			now.stop()
			answer = "stopped"
		}
		if err != nil {
			answer = "failed: " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintln(out, answer)
	}
	return nil
}

// count returns what both cards have counted since the last time.
func count(cards [2]counters) (sent, received uint64) {
	for _, c := range cards {
		s, r := c.take()
		sent, received = sent+uint64(s), received+uint64(r)
	}
	return sent, received
}

// A running is a program that forwards.
type running struct {
	cmd   *exec.Cmd
	input io.WriteCloser // testpmd ends when there is something to read, or nothing any more
	said  bytes.Buffer
	ended chan struct{}
}

// startLimit is for a program that does not come to forward.
const startLimit = 20 * time.Second

// start starts a program and waits until frames go round.
func start(impl, c string, cards [2]counters) (*running, error) {
	r := &running{ended: make(chan struct{})}
	for _, f := range forwarders {
		if f.impl == impl {
			words := f.words(c)
			r.cmd = exec.Command(words[0], words[1:]...)
		}
	}
	if r.cmd == nil {
		return nil, errors.New("not in this program")
	}
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	var err error
	if r.input, err = r.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.ended)
	}()
	const enough = 10_000 // more than are sent before anything is forwarded
	round := uint64(0)
	for deadline := time.Now().Add(startLimit); round < enough && time.Now().Before(deadline); {
		select {
		case <-r.ended:
			return nil, fmt.Errorf("%s: %v: %s", impl, r.cmd.ProcessState, lastOf(r.said.String()))
		case <-time.After(100 * time.Millisecond):
		}
		sent, _ := count(cards)
		round += sent
	}
	if round < enough {
		r.stop()
		return nil, fmt.Errorf("%s: no frames go round after %v: %s", impl, startLimit, lastOf(r.said.String()))
	}
	return r, nil
}

// stop ends the program as Ctrl-C would, and if need be otherwise.
func (r *running) stop() {
	_ = r.cmd.Process.Signal(os.Interrupt)
	select {
	case <-r.ended:
	case <-time.After(startLimit):
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
	r.input.Close()
}

func lastOf(text string) string {
	const most = 400
	return strings.TrimSpace(text[max(0, len(text)-most):])
}
