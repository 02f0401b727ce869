package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxCards is how many slots are left between our own devices and the chipset's
// at 0000:00:1f.
const maxCards = 15

// A Link is a wire between two cards, by their numbers.
type Link struct{ A, B int }

// A Config is a machine and the command to run in it. The zero value of each
// field but Command is good, and means what is said of it.
type Config struct {
	Cards       int    // e1000e cards; card i is at cardAddress(i)
	Links       []Link // a card is at the end of one link at most; nil means pairLinks(Cards)
	KernelCards []int  // cards that Linux's own driver keeps; the others have none
	Modules     []string
	CPUs        int // 0 means 2
	Memory      int // MiB; 0 means 1024
	HugePages   int // of 2 MiB, out of Memory
	QEMU        string
	Monitor     bool // QEMU's machine protocol is on the guest's /dev/vport0p2

	Command []string
	Env     []string // added to PATH, HOME, LANG and TERM of this process
	Dir     string   // "" means where this process is
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Terminal, if there is one, is the terminal that Stdin and Stdout are on:
	// the command gets one of its own that looks the same.
	Terminal *os.File

	// Timeout is how long the machine may run; 0 means for ever.
	Timeout time.Duration
	// Signals are passed on to the command, and the size of Terminal when the
	// signal is SIGWINCH.
	Signals <-chan os.Signal
	// Log gets a line about whatever is installed or downloaded.
	Log io.Writer
	// Console gets what the guest's kernel has to say, all of it.
	Console io.Writer
}

// cardAddress returns the PCI address of card i in the guest.
func cardAddress(i int) string { return fmt.Sprintf("0000:00:%02x.0", cardSlot(i)) }

func cardSlot(i int) int { return 0x10 + i }

// cardMAC returns the address in the EEPROM of card i.
func cardMAC(i int) string { return fmt.Sprintf("52:54:00:12:34:%02x", i) }

// pairLinks joins cards 0 and 1, 2 and 3, and so on. An odd one is left alone.
func pairLinks(cards int) (links []Link) {
	for i := 0; i+1 < cards; i += 2 {
		links = append(links, Link{i, i + 1})
	}
	return links
}

// parseLink reads a link as --link gives it.
func parseLink(text string) (Link, error) {
	a, b, ok := strings.Cut(text, ":")
	l := Link{}
	var errA, errB error
	l.A, errA = strconv.Atoi(a)
	l.B, errB = strconv.Atoi(b)
	if !ok || errA != nil || errB != nil {
		return l, fmt.Errorf("read link %q: want two card numbers, as in 0:1", text)
	}
	return l, nil
}

// withDefaults fills in what zero values mean.
func (c Config) withDefaults() (Config, error) {
	if c.Links == nil {
		c.Links = pairLinks(c.Cards)
	}
	if c.CPUs == 0 {
		c.CPUs = 2
	}
	if c.Memory == 0 {
		c.Memory = 1024
	}
	if c.QEMU == "" {
		c.QEMU = "qemu-system-x86_64"
	}
	if c.Dir == "" {
		dir, err := os.Getwd()
		if err != nil {
			return c, err
		}
		c.Dir = dir
	}
	if c.Stdin == nil {
		c.Stdin = strings.NewReader("")
	}
	for _, w := range []*io.Writer{&c.Stdout, &c.Stderr, &c.Log, &c.Console} {
		if *w == nil {
			*w = io.Discard
		}
	}
	return c, c.check()
}

// guestMemory is what the guest is left with beside its huge pages, in MiB: half
// of it is for files that it writes.
const guestMemory = 256

func (c Config) check() error {
	switch {
	case len(c.Command) == 0:
		return errors.New("run: no command (put it after --, as in: ferrule-vm -- ferrule devices)")
	case c.Cards < 0 || c.Cards > maxCards:
		return fmt.Errorf("put in %d cards: there is room for 0 to %d", c.Cards, maxCards)
	case c.CPUs < 1 || c.CPUs > 255:
		return fmt.Errorf("put in %d processors: there is room for 1 to 255", c.CPUs)
	case c.HugePages < 0:
		return fmt.Errorf("reserve %d huge pages: want 0 or more", c.HugePages)
	case c.Memory < 2*c.HugePages+guestMemory:
		return fmt.Errorf("put in %d MiB of memory: %d huge pages and the system want %d MiB (see --memory, --hugepages)",
			c.Memory, c.HugePages, 2*c.HugePages+guestMemory)
	}
	for _, v := range c.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return fmt.Errorf("set %q in the environment: want NAME=VALUE", v)
		}
	}
	var linked []int
	for _, l := range c.Links {
		for _, card := range []int{l.A, l.B} {
			if err := c.checkCard(card); err != nil {
				return fmt.Errorf("link %d:%d: %w", l.A, l.B, err)
			}
			if slices.Contains(linked, card) {
				return fmt.Errorf("link %d:%d: card %d is at the end of a link already", l.A, l.B, card)
			}
			linked = append(linked, card)
		}
	}
	for _, card := range c.KernelCards {
		if err := c.checkCard(card); err != nil {
			return fmt.Errorf("leave card %d to the kernel: %w", card, err)
		}
	}
	return nil
}

func (c Config) checkCard(card int) error {
	switch {
	case card >= 0 && card < c.Cards:
		return nil
	case c.Cards == 0:
		return fmt.Errorf("there is no card %d: there is none (see --cards)", card)
	}
	return fmt.Errorf("there is no card %d: they are 0 to %d (see --cards)", card, c.Cards-1)
}
