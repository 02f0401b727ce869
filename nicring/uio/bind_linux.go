//go:build amd64 || arm64

package uio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

func (h host) bind(address string, force bool) (Change, error) {
	change, err := h.tryBind(address, force)
	if err != nil {
		return Change{}, fmt.Errorf("uio: bind %s: %w", address, err)
	}
	return change, nil
}

func (h host) tryBind(address string, force bool) (Change, error) {
	card, err := h.find(address)
	if err != nil {
		return Change{}, err
	}
	if card.Driver == driver {
		return Change{Address: card.Address, From: driver, To: driver}, nil
	}
	if err := inUse(card); err != nil && !force {
		return Change{}, err
	}
	lock, err := h.lock(card.Address)
	if err != nil {
		return Change{}, err
	}
	defer lock.Close()
	if err := h.load(); err != nil {
		return Change{}, err
	}

	override, err := readAttr(h.device(card.Address, "driver_override"))
	if err != nil {
		return Change{}, err
	}
	if err := h.move(card.Address, driver); err != nil {
		if undo := h.moveBack(card, override); undo != nil {
			err = fmt.Errorf("%w; and back to %s: %w", err, orNone(card.Driver), undo)
		}
		return Change{}, err
	}
	change := Change{Address: card.Address, From: card.Driver, To: driver}
	for _, i := range card.Interfaces {
		change.Interfaces = append(change.Interfaces, i.Name)
	}
	return change, nil
}

// inUse returns an error if someone might miss the card.
func inUse(card Info) error {
	for _, i := range card.Interfaces {
		if busy := i.busy(); busy != "" {
			return fmt.Errorf("its interface %s %s (take it out of use first, or use --force)", i.Name, busy)
		}
	}
	if card.Driver != "" && len(card.Interfaces) == 0 {
		return fmt.Errorf("%s has it and shows no interface here: it may serve another network namespace, a program or a virtual machine (use --force to take it nevertheless)", card.Driver)
	}
	return nil
}

func (h host) unbind(address string) (Change, error) {
	change, err := h.tryUnbind(address)
	if err != nil {
		return Change{}, fmt.Errorf("uio: unbind %s: %w", address, err)
	}
	return change, nil
}

func (h host) tryUnbind(address string) (Change, error) {
	card, err := h.find(address)
	if err != nil {
		return Change{}, err
	}
	change := Change{Address: card.Address, From: card.Driver, To: card.Driver}
	if card.Driver != driver && card.Driver != "" {
		return change, nil
	}
	lock, err := h.lock(card.Address)
	if err != nil {
		return Change{}, err
	}
	defer lock.Close()

	if err := h.move(card.Address, ""); err != nil {
		return Change{}, err
	}
	if change.To = h.driver(card.Address); change.To == driver {
		return Change{}, fmt.Errorf("%s took it at once again (its ids were written to %s)", driver, h.pci("drivers", driver, "new_id"))
	}
	return change, nil
}

// move takes a card from the driver that has it, and has the kernel find it
// another: the one named, or one that knows the card if the name is empty.
func (h host) move(address, to string) error {
	if err := h.override(address, to); err != nil {
		return err
	}
	if h.driver(address) != "" {
		if err := h.write(h.device(address, "driver", "unbind"), address); err != nil {
			return privileged(err)
		}
	}
	if err := h.write(h.pci("drivers_probe"), address); err != nil {
		return privileged(err)
	}
	if has := h.driver(address); to != "" && has != to {
		return fmt.Errorf("%s did not take it; %s has it (see dmesg)", to, orNone(has))
	}
	return nil
}

// moveBack undoes a move that failed, wherever that came to.
func (h host) moveBack(card Info, override string) error {
	if override == "(null)" {
		override = ""
	}
	if h.driver(card.Address) == card.Driver {
		return h.override(card.Address, override)
	}
	if err := h.move(card.Address, override); err != nil {
		return err
	}
	if has := h.driver(card.Address); has != card.Driver {
		return fmt.Errorf("%s has it", orNone(has))
	}
	return nil
}

// override has the kernel offer a card to one driver alone, or to any.
func (h host) override(address, to string) error {
	// A write of no bytes does not reach the kernel, one of an empty line does.
	return privileged(h.write(h.device(address, "driver_override"), to+"\n"))
}

// load has the kernel load uio_pci_generic, if it has not.
func (h host) load() error {
	if _, err := os.Stat(h.pci("drivers", driver)); err == nil {
		return nil
	}
	if err := h.modprobe(driver); err != nil {
		return fmt.Errorf("load module %s: %w", driver, err)
	}
	return nil
}

func modprobe(module string) error {
	path, err := exec.LookPath("modprobe")
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/sbin/modprobe") // not everyone's PATH has it
	}
	if err != nil {
		return errors.New("there is no modprobe (install package kmod)")
	}
	output, err := exec.Command(path, module).CombinedOutput()
	if err != nil {
		return fmt.Errorf("modprobe: %w: %s (the module comes with package linux-image-$(uname -r) on Debian, linux-modules-extra-$(uname -r) on Ubuntu)", err, bytes.TrimSpace(output))
	}
	return nil
}
