package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A vm is a virtual machine in which some of the programs are measured in turn,
// on the same two emulated cards. It boots when the first of them is to be
// measured, and ends with its group.
//
// What it does is counted by the cards and timed by this machine's clock: that of
// a guest whose processors are emulated follows the load of the host.
type vm struct {
	command []string  // boots it and runs the guest's program in it
	cmd     *exec.Cmd // nil unless it runs
	in      io.WriteCloser
	answers chan string // closed when it has ended
}

const (
	bootLimit   = 2 * time.Minute
	answerLimit = time.Minute

	// longer is how much longer than others a measurement takes in the machine: the
	// emulator has stretches of all lengths.
	longer = 50

	// settling is for the emulator to translate what has begun to run.
	settling = 500 * time.Millisecond

	// unsure is how much of the time measured may lie between a question to the
	// guest and its answer.
	unsure = 0.01
)

// buildVM builds what boots the virtual machine and what runs in it, and returns
// what can be measured there and which of the peers are missing.
func buildVM() (programs []program, missing []string, err error) {
	out, err := filepath.Abs(buildDir)
	if err != nil {
		return nil, nil, err
	}
	guest, boot := filepath.Join(out, "guest"), filepath.Join(out, "ferrule-vm")
	if err := command("go", "build", "-o", guest, "./guest").Run(); err != nil {
		return nil, nil, fmt.Errorf("build the guest's program: %w", err)
	}
	if err := command("go", "build", "-C", "..", "-o", boot, "./cmd/ferrule-vm").Run(); err != nil {
		return nil, nil, fmt.Errorf("build ferrule-vm: %w", err)
	}
	if programs, err = list(guest); err != nil {
		return nil, nil, err
	}
	v := &vm{command: []string{boot, "--memory", "2048", "--hugepages", "256", "--", guest, "serve"}}
	for i := range programs {
		programs[i].vm = v
	}
	if !slices.ContainsFunc(programs, func(p program) bool { return p.impl == "dpdk.testpmd" }) {
		missing = append(missing, "testpmd")
	}
	return programs, missing, nil
}

// boot boots the machine unless it runs.
func (v *vm) boot() error {
	if v.cmd != nil {
		return nil
	}
	cmd := exec.Command(v.command[0], v.command[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	answers := make(chan string)
	v.cmd, v.in, v.answers = cmd, in, answers
	go func() {
		defer close(answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			answers <- lines.Text()
		}
	}()
	kernel, err := v.answer(bootLimit)
	if err != nil {
		return err
	}
	fmt.Printf("booted a virtual machine with %s\n", kernel)
	return nil
}

// end ends the machine if it runs.
func (v *vm) end() {
	if v.cmd == nil {
		return
	}
	v.in.Close()
	timer := time.AfterFunc(answerLimit, func() { _ = v.cmd.Process.Kill() })
	defer timer.Stop()
	for range v.answers {
	}
	_ = v.cmd.Wait()
	v.cmd = nil
}

func endVMs(programs []program) {
	for _, p := range programs {
		if p.vm != nil {
			p.vm.end()
		}
	}
}

// answer waits for a line of the guest's.
func (v *vm) answer(limit time.Duration) (string, error) {
	select {
	case line, ok := <-v.answers:
		if !ok {
			return "", errors.New("the virtual machine has ended")
		}
		if why, failed := strings.CutPrefix(line, "failed: "); failed {
			return "", errors.New(why)
		}
		return line, nil
	case <-time.After(limit):
		return "", fmt.Errorf("the virtual machine has not answered in %v", limit)
	}
}

func (v *vm) ask(question string) (string, error) {
	if _, err := fmt.Fprintln(v.in, question); err != nil {
		return "", err
	}
	return v.answer(answerLimit)
}

// A reading is what the cards have counted since the one before, at some moment
// between asking and answering.
type reading struct {
	sent, received  uint64
	asked, answered time.Time
}

func (v *vm) read() (r reading, err error) {
	r.asked = time.Now()
	line, err := v.ask("count")
	r.answered = time.Now()
	if err == nil {
		_, err = fmt.Sscan(line, &r.sent, &r.received)
	}
	return r, err
}

// measure returns the line with the figures of a case.
func (v *vm) measure(impl, c string, ms float64) (line string, err error) {
	defer func() {
		if err != nil {
			v.end() // the next begins in a new one
			err = fmt.Errorf("%s/impl=%s: %w", c, impl, err)
		}
	}()
	if err := v.boot(); err != nil {
		return "", err
	}
	if _, err := v.ask("start " + impl + " " + c); err != nil {
		return "", err
	}
	time.Sleep(settling)
	from, err := v.read()
	if err != nil {
		return "", err
	}
	var frames uint64
	var took time.Duration
	for try := 0; ; try++ {
		time.Sleep(time.Duration(longer * ms * float64(time.Millisecond)))
		to, err := v.read()
		if err != nil {
			return "", err
		}
		frames = to.sent
		took, err = between(from, to)
		if err == nil {
			break
		}
		if try == 4 {
			return "", err
		}
		from = to
	}
	if _, err := v.ask("stop"); err != nil {
		return "", err
	}
	return fmt.Sprintf("Benchmark%s/impl=%s-%d\t%d\t%.5g ns/op\n", c, impl, runtime.NumCPU(), frames, float64(took)/float64(frames)), nil
}

// between returns the time from one reading to the next, or why it is not to be
// relied on.
func between(from, to reading) (time.Duration, error) {
	const onTheirWay = 1000 // and more than are put in circulation
	middle := func(r reading) time.Time { return r.asked.Add(r.answered.Sub(r.asked) / 2) }
	took := middle(to).Sub(middle(from))
	slack := (from.answered.Sub(from.asked) + to.answered.Sub(to.asked)) / 2
	switch {
	case to.sent == 0:
		return 0, errors.New("no frames go round any more")
	case max(to.sent, to.received)-min(to.sent, to.received) > onTheirWay:
		return 0, fmt.Errorf("%d frames sent, but %d received", to.sent, to.received)
	case float64(slack) > unsure*float64(took):
		return 0, fmt.Errorf("%v are known only to within %v", took, slack)
	}
	return took, nil
}
