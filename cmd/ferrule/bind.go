package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ferrule-go/ferrule/nicring/uio"
)

func newBind() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:               "bind ADDR...",
		ValidArgsFunction: completeCards(0),
		Short:             "Take cards from the kernel, for forward",
		Long: `Move cards from their kernel drivers to uio_pci_generic, by which a process can
drive them. Their network interfaces cease to exist until unbind.

A card whose interface is up or carries an address is refused, since someone may
be using it, you by way of it included: --force takes it nevertheless.`,
		Example: "  sudo ferrule bind 0000:03:00.0 0000:04:00.0",
		Args:    someCards,
		RunE: func(cmd *cobra.Command, addrs []string) error {
			return changeAll(cmd, addrs, func(addr string) (uio.Change, error) { return uio.Bind(addr, force) })
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "take a card although it seems to be in use")
	return cmd
}

func newUnbind() *cobra.Command {
	return &cobra.Command{
		Use:               "unbind ADDR...",
		ValidArgsFunction: completeCards(0),
		Short:             "Give cards back to the kernel",
		Long: `Take cards from uio_pci_generic and let the kernel choose their drivers, as it
would have at boot.`,
		Example: "  sudo ferrule unbind 0000:03:00.0",
		Args:    someCards,
		RunE: func(cmd *cobra.Command, addrs []string) error {
			return changeAll(cmd, addrs, uio.Unbind)
		},
	}
}

func someCards(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s: no address given (see: ferrule devices)", cmd.Name())
	}
	return nil
}

// changeAll changes one card after the other, says what was done, and ends at
// the first that fails.
func changeAll(cmd *cobra.Command, addrs []string, change func(addr string) (uio.Change, error)) error {
	for _, addr := range addrs {
		c, err := change(addr)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), c); err != nil {
			return err
		}
	}
	return nil
}
